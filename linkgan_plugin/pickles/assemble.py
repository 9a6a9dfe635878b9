"""Builds a network from its parts in a file that does not contain the constructor's arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from training_loops.formats.budget import Budget
from training_loops.formats.pickles.values import Allowed
from training_loops.formats.text import printable

from ..errors import LinkGANError
from .nodes import Node, plain

# Attributes of nn.Module itself; they are created anew, so that no hook comes from a file.
_INTERNAL = frozenset(vars(nn.Module()))


def assemble(node: Node, class_of: Callable[[str], type[nn.Module]]) -> nn.Module:
    """Return the module that `node` describes, including its submodules; no constructor runs.

    Args:
        node: of a snapshot that refers to classes by name (`Node.by_reference`).
        class_of: returns the class with a dotted name, or raises an error for classes that must not be used.
    Raises:
        LinkGANError: an attribute that is neither plain data nor a dtype, or hides a method of its class.
        PickleError: the node is damaged.
    """
    tensors = {name: tensor.requires_grad_(False) for name, tensor in node.state_dict().items()}
    return _part(node, "", tensors, class_of)


def _part(
    node: Node, prefix: str, tensors: dict[str, torch.Tensor], class_of: Callable[[str], type[nn.Module]]
) -> nn.Module:
    kind = class_of(node.class_name)
    module = kind.__new__(kind)
    nn.Module.__init__(module)
    for name, value in node.state.items():
        if name in _INTERNAL or (type(name) is str and name.startswith("__")):
            continue
        if type(name) is not str or not name.isidentifier():
            raise LinkGANError(printable(f"{node.class_name}: {name!r:.80} is not an attribute name"))
        if callable(getattr(kind, name, None)):
            raise LinkGANError(printable(f"{node.class_name}: the file replaces its method {name} by a value"))
        setattr(module, name, _attribute(value, f"{node.class_name}.{name}", node.budget))
    for name in node.parameters:
        module.register_parameter(name, nn.Parameter(tensors[prefix + name], requires_grad=False))
    for name in node.buffers:
        module.register_buffer(name, tensors[prefix + name])
    for name in _absent(node, kind):
        module.register_parameter(name, None)
    for name, part in node.modules():
        module.add_module(name, _part(part, f"{prefix}{name}.", tensors, class_of))
    return module


def _absent(node: Node, kind: type[nn.Module]) -> list[str]:
    """Return the parameters and buffers that are None, such as the bias of PyTorch's layers without bias."""
    state = {**node.state.get("_parameters", {}), **node.state.get("_buffers", {})}
    own = kind.__module__.startswith("torch.nn.modules") and "bias" in inspect.signature(kind).parameters
    return [name for name, value in state.items() if value is None] + (["bias"] if own and "bias" not in state else [])


def _attribute(value: Any, what: str, budget: Budget) -> Any:
    """Return plain data unchanged, and a dtype for its name, as which converted files store it."""
    name = value.name if isinstance(value, Allowed) else value
    if isinstance(name, str) and name.startswith("torch."):
        found = getattr(torch, name.removeprefix("torch."), None)
        if isinstance(found, torch.dtype):
            return found
    return plain(value, what, budget)
