"""NumPy scalars and arrays of numbers in a pickle."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from training_loops.formats.pickles.values import Blob, Buildable

_CODE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248])")
_ORDERS = ("<", ">", "=", "|")


class Dtype(Buildable):
    """A number format; its state sets the byte order."""

    def __init__(self, code: Any, align: Any = False, copy: Any = True) -> None:
        if type(code) is not str or not _CODE.fullmatch(code):
            raise ValueError("an array that does not hold numbers")
        self.value = np.dtype(code)

    def build(self, state: Any) -> None:
        """Set the state ``(version, byte order, None, None, None, ...)``."""
        if type(state) is not tuple or len(state) < 5 or state[1] not in _ORDERS or any(state[2:5]):
            raise ValueError("an array that does not hold plain numbers")
        if state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


class Array(Buildable):
    """An array; its state holds the numbers. `value` is a read-only ndarray."""

    def __init__(self, *_: Any) -> None:
        self.value = np.zeros(0)

    def build(self, state: Any) -> None:
        """Set the state ``(version, shape, dtype, whether in Fortran order, bytes)``."""
        if type(state) is not tuple or len(state) != 5:
            raise ValueError("an array without shape and numbers")
        _, shape, dtype, fortran, data = state
        self.value = _numbers(data, dtype, shape, "F" if fortran else "C")


def scalar(dtype: Any, data: Any) -> int | float | bool:
    """Return a NumPy scalar as the Python number."""
    number: int | float | bool = _numbers(data, dtype, (), "C").item()
    return number


def from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> Array:
    """Return the array of `shape` as protocol 5 stores it, in one call."""
    array = Array()
    array.value = _numbers(data, dtype, shape, "F" if order == "F" else "C")
    return array


def _numbers(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray[Any, Any]:
    if type(data) is not Blob or type(dtype) is not Dtype or not is_shape(shape):
        raise ValueError("an array that does not hold plain numbers")
    if math.prod(shape) * dtype.value.itemsize != data.source.left:
        raise ValueError(f"{data.source.left} bytes for an array of shape {list(shape)[:8]}")
    return np.frombuffer(data.data, dtype.value).reshape(shape, order=order)


def is_shape(value: Any) -> bool:
    """Return whether `value` is a tuple of a few sizes, none negative."""
    return type(value) is tuple and len(value) <= 16 and all(type(n) is int and 0 <= n < 2**48 for n in value)
