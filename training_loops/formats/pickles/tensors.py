"""PyTorch tensors in a pickle, built from the bytes without `torch.load`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from training_loops.formats.budget import Budget
from training_loops.formats.pickles.arrays import is_shape
from training_loops.formats.pickles.machine import Machine
from training_loops.formats.pickles.source import PickleError, Source
from training_loops.formats.pickles.stored import StoredTensor
from training_loops.formats.pickles.values import Allowed, Blob

MAGIC = 0x1950A86A20F9469CFC6C
FORMAT = 1001

# The storage classes that torch.save names, with their dtypes.
STORAGES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


class Storage:
    """A one-dimensional array of numbers in the file: dtype, length, and a source at the first number."""

    def __init__(self, dtype: torch.dtype, numel: int, numbers: Source) -> None:
        self.dtype, self.numel, self.numbers = dtype, numel, numbers

    def read(self) -> Tensor:
        """Return the numbers as a tensor [numel]."""
        # A new tensor is aligned; the numbers in the file may not be.
        raw = torch.empty(self.numel * self.dtype.itemsize, dtype=torch.uint8)
        self.numbers.again().fill(raw.numpy().data)
        return raw.view(self.dtype)


class PickledTensor(StoredTensor):
    """A view of a storage."""

    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.shape, self.dtype = shape, storage.dtype
        self._storage, self._offset, self._stride = storage, offset, stride

    @property
    def place(self) -> tuple[object, int]:
        """The storage."""
        return id(self._storage), self._storage.numel * self.dtype.itemsize

    def read(self, rows: dict[object, Tensor]) -> Tensor:
        """Return the tensor, of `shape` and the strides in the file; `rows` holds storages [numel] read so far."""
        if not math.prod(self.shape):
            return torch.empty(self.shape, dtype=self.dtype)
        key = id(self._storage)
        if key not in rows:
            rows[key] = self._storage.read()
        return rows[key].as_strided(self.shape, self._stride, self._offset)


class Claim(NamedTuple):
    """A storage as a pickle declares it before its bytes: dtype, key, length and device."""

    dtype: torch.dtype
    key: str
    numel: int
    device: Any


def load_storage(blob: Any) -> Storage:
    """Return the storage in a blob written by `torch.save` in its older format: a sequence of pickles, then raw bytes.

    Raises:
        PickleError: another format, or not exactly one storage; names the byte of the whole file.
    """
    if type(blob) is not Blob:
        raise ValueError("a tensor storage that is not bytes")
    if blob.made is None:
        blob.made = _read_storage(blob.source.again(), blob.budget)
    storage: Storage = blob.made
    return storage


def _read_storage(source: Source, budget: Budget) -> Storage:
    offset = source.offset
    magic, version, system, claim, keys = (
        Machine(source, storage_type, budget=budget, persistent=claimed).run()
        for _ in ("magic", "version", "system", "object", "keys")
    )
    if magic != MAGIC or version != FORMAT or type(system) is not dict or not system.get("little_endian"):
        raise PickleError(f"tensor at byte {offset} is not in PyTorch's format", offset=offset)
    if type(claim) is not Claim or keys != [claim.key]:
        raise PickleError(f"something other than one tensor storage at byte {offset}", offset=offset)
    numel, size = source.number(8), claim.numel * claim.dtype.itemsize
    if numel != claim.numel or source.left != size:
        raise PickleError(
            f"storage at byte {offset} claims {claim.numel} numbers, holds {source.left} bytes", offset=offset
        )
    return Storage(claim.dtype, claim.numel, source)


def storage_type(module: str, name: str) -> Allowed | None:
    """Return the meaning of the name of a storage class, None for any other name."""
    return Allowed(f"torch.{name}") if module == "torch" and f"torch.{name}" in STORAGES else None


def claimed(value: Any) -> Claim:
    """Return the storage that a persistent id declares. Raises ValueError for any other value."""
    if type(value) is not tuple or len(value) not in (5, 6) or value[0] != "storage":
        raise ValueError("a persistent id that is not a tensor storage")
    kind, key, device, numel = value[1:5]
    if type(kind) is not Allowed or kind.name not in STORAGES or type(key) is not str:
        raise ValueError("an incomplete tensor storage")
    if not is_shape((numel,)) or any(value[5:]):
        raise ValueError("an incomplete tensor storage")
    return Claim(STORAGES[kind.name], key, numel, device)


def rebuild_tensor(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any = False,
    hooks: Any = None,
    metadata: Any = None,
) -> PickledTensor:
    """Return a tensor over a storage, without gradient.

    Raises:
        ValueError: it exceeds the storage, repeats its numbers, or has hooks.
    """
    if type(storage) is not Storage or not is_shape((offset,)) or not is_shape(size) or not is_shape(stride):
        raise ValueError("an incomplete tensor")
    if len(size) != len(stride) or hooks or metadata:
        raise ValueError("a tensor with hooks, or whose shape and strides differ in length")
    numel, last = 1, offset
    for n, step in zip(size, stride, strict=True):
        numel *= n
        last += (n - 1) * step
    if numel and (last >= storage.numel or numel > storage.numel):
        raise ValueError(f"a tensor of shape {list(size)} in a storage of {storage.numel} numbers")
    return PickledTensor(storage, offset, size, stride)


def rebuild_parameter(data: Any, requires_grad: Any, hooks: Any, state: Any = None) -> PickledTensor:
    """Return a parameter's tensor; an additional state belongs to the host's training and is ignored."""
    if type(data) is not PickledTensor or hooks:
        raise ValueError("a parameter that is not a plain tensor")
    return data
