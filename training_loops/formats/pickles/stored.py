"""Tensors stored in a file: shape and dtype are known, the numbers are read on demand."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor


class StoredTensor(ABC):
    """A tensor whose numbers may not be in memory.

    Attributes:
        shape: of the tensor.
        dtype: of the tensor.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def nbytes(self) -> int:
        """The size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    @abstractmethod
    def place(self) -> tuple[object, int]:
        """An id of the storage that it is a view of, and the size of the storage in bytes."""

    @abstractmethod
    def read(self, rows: dict[object, Tensor]) -> Tensor:
        """Return the tensor, of `shape`. `rows` holds the storages read so far, [numel] each, for views to share."""


class HeldTensor(StoredTensor):
    """A tensor that is in memory."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.detach()
        self.shape, self.dtype = tuple(tensor.shape), tensor.dtype

    @property
    def place(self) -> tuple[object, int]:
        """The tensor itself."""
        return id(self), self.nbytes

    def read(self, rows: dict[object, Tensor]) -> Tensor:
        """Return the tensor itself, of `shape`."""
        return self.tensor
