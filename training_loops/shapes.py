"""Builds networks of shapes alone: tensors on the meta device, without what PyTorch imports to calculate with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# What constructors do to the numbers that they draw.
_NAMES = ("add", "sub", "mul", "div", "neg", "square", "exp", "rsqrt")
_OPERATORS = ("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__neg__")
_ELEMENTWISE = {
    *(getattr(owner, name) for owner in (torch, Tensor) for name in _NAMES),
    *(getattr(Tensor, name) for name in _OPERATORS),
}


class _ShapesOnly(TorchFunctionMode):
    """Gives random numbers, and the results of elementwise functions of meta tensors, their shape.

    PyTorch does the same with Python functions, for which it imports its compiler on the first call: 1 s and 80 MB.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.randn:
            return torch.empty(*args, **{**kwargs, "device": "meta"})
        if func is nn.init.normal_:
            return kwargs.get("tensor", *args[:1])
        if func in _ELEMENTWISE and not kwargs and all(map(_is_plain, args)):
            shape = np.broadcast_shapes(*(value.shape for value in args if isinstance(value, Tensor)))
            return torch.empty(shape, dtype=torch.result_type(args[0], args[-1]), device="meta")
        return func(*args, **kwargs)


def _is_plain(value: Any) -> bool:
    """Return whether a value is a number, or a meta tensor of floats in the usual layout and without a gradient."""
    if not isinstance(value, Tensor):
        return isinstance(value, (int, float))
    ordered = value.ndim < 4 or value.is_contiguous()
    return value.is_meta and value.is_floating_point() and ordered and not value.requires_grad


@contextmanager
def shapes_only() -> Iterator[None]:
    """Make the tensors of the block without numbers, at no cost of memory, as the meta device does."""
    with torch.device("meta"), _ShapesOnly():
        yield
