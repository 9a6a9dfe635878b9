"""Describes this program's own networks in the form of a host's pickle."""

from __future__ import annotations

from typing import Any

from torch import nn

from training_loops.formats.pickles.stored import HeldTensor

from .nodes import Node


def node_of(module: nn.Module) -> Node:
    """Return the node of one of this program's networks, as read from a pickle; it shares the network's tensors."""
    state = {name: value for name, value in vars(module).items() if not name.startswith("_") and name != "init_kwargs"}
    state |= {
        "_parameters": {name: HeldTensor(p) for name, p in module._parameters.items() if p is not None},
        "_buffers": {name: HeldTensor(b) for name, b in module._buffers.items() if b is not None},
        "_non_persistent_buffers_set": set(module._non_persistent_buffers_set),
        "_modules": {name: node_of(child) for name, child in module._modules.items() if child is not None},
        "_init_kwargs": _public(getattr(module, "init_kwargs", {})),
    }
    return Node(type(module).__name__, state)


def _public(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return arguments for the hosts' classes, in which no dict is None and half precision is float16."""
    left_out = {"half": "float16", "block_kwargs": None, "mapping_kwargs": None, "epilogue_kwargs": None}
    return {name: value for name, value in kwargs.items() if name not in left_out or value != left_out[name]}
