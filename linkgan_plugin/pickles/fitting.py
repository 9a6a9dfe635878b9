"""Putting what a file holds into a network that was built for it: compare first, then fill."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from training_loops.formats.pickles.stored import StoredTensor

from .nodes import Node

_SHOWN = 5


def differences(expected: Mapping[str, Tensor], given: Mapping[str, StoredTensor]) -> str:
    """Return how the tensors of a snapshot differ from a network's in name, shape or type, '' where they do not."""
    problems = [f"{key} is not in the file" for key in expected if key not in given]
    problems += [f"{key} is not in the class" for key in given if key not in expected]
    problems += [
        f"{key} is {_shown(given[key])} in the file and {_shown(tensor)} in the class"
        for key, tensor in expected.items()
        if key in given and _shown(given[key]) != _shown(tensor)
    ]
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return "; ".join(problems[:_SHOWN]) + more


def add_buffers(network: nn.Module, node: Node) -> None:
    """Register the buffers that a host's loop gave the network after it was built (eg3d: dataset_label_std)."""
    for name, tensor in node.buffers.items():
        if name.isidentifier() and not hasattr(network, name):
            network.register_buffer(name, torch.zeros(tensor.shape, dtype=tensor.dtype))


def copy_tensors(node: Node, network: nn.Module) -> None:
    """Fill the network's tensors one by one, so that they are not all in memory twice."""
    own = network.state_dict()
    with torch.no_grad():
        for name, tensor in node.stream():
            own[name].copy_(tensor)


def set_attributes(network: nn.Module, node: Node, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Set plain attributes as they were (link_spec, eg3d's neural_rendering_resolution); methods and modules stay."""
    for name, value in node.attributes.items():
        if hasattr(type(network), name) or isinstance(getattr(network, name, None), (nn.Module, Tensor)):
            continue
        if wanted(name):
            setattr(network, name, value)


def _shown(tensor: Tensor | StoredTensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, shortened."""
    return (str(error).splitlines() or [""])[0][:200]
