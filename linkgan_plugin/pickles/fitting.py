"""Loads the content of a file into a network that was built for it, after comparing both."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from training_loops.formats.pickles.stored import StoredTensor

from .nodes import Node

_SHOWN = 5
_OTHER_PRECISIONS = {torch.float16, torch.bfloat16, torch.float64}


def differences(expected: Mapping[str, Tensor], given: Mapping[str, StoredTensor]) -> str:
    """Return how the tensors of a snapshot differ from a network's in name, shape or dtype, '' where they are equal.

    Half and double precision match single precision: see `as_in_class`.
    """
    problems = [f"{key} is not in the file" for key in expected if key not in given]
    problems += [f"{key} is not in the class" for key in given if key not in expected]
    problems += [
        f"{key} is {_shown(given[key])} in the file and {_shown(tensor)} in the class"
        for key, tensor in expected.items()
        if key in given and _shown(given[key], tensor.dtype) != _shown(tensor)
    ]
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return "; ".join(problems[:_SHOWN]) + more


def add_buffers(network: nn.Module, node: Node) -> None:
    """Register the buffers that a host's loop adds to the network after building it (eg3d: dataset_label_std)."""
    for name, tensor in node.buffers.items():
        if name.isidentifier() and not hasattr(network, name):
            dtype = _dtype_in_class(tensor.dtype, torch.float32)
            network.register_buffer(name, torch.zeros(tensor.shape, dtype=dtype))


def as_in_class(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a file's tensors, with half and double precision cast to single where the class has single.

    Args:
        tensors: the file's, by name.
        expected: the class's, by name, of the same shapes.
    """
    return {name: tensor.to(_dtype_in_class(tensor.dtype, expected[name].dtype)) for name, tensor in tensors.items()}


def _dtype_in_class(stored: torch.dtype, expected: torch.dtype) -> torch.dtype:
    """Return the dtype in the class for a stored dtype: some files store weights in half precision to save space."""
    return expected if expected == torch.float32 and stored in _OTHER_PRECISIONS else stored


def copy_tensors(node: Node, network: nn.Module) -> None:
    """Copy tensors into the network one by one, so that not all are in memory twice."""
    own = network.state_dict()
    with torch.no_grad():
        for name, tensor in node.stream():
            own[name].copy_(tensor)


def set_attributes(network: nn.Module, node: Node, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Restore plain attributes (link_spec, eg3d's neural_rendering_resolution); methods and modules are unchanged."""
    for name, value in node.attributes.items():
        if hasattr(type(network), name) or isinstance(getattr(network, name, None), (nn.Module, Tensor)):
            continue
        if wanted(name):
            setattr(network, name, value)


def _shown(tensor: Tensor | StoredTensor, expected: torch.dtype | None = None) -> str:
    dtype = tensor.dtype if expected is None else _dtype_in_class(tensor.dtype, expected)
    return f"{str(dtype).removeprefix('torch.')} {list(tensor.shape)}"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, shortened."""
    return (str(error).splitlines() or [""])[0][:200]
