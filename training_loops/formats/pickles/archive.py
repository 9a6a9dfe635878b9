"""PyTorch's own files (.pt, .pth): tensors and plain data, read by the pickle machine; `torch.load` is not called.

Supports both of PyTorch's formats: a zip archive with the index ``data.pkl`` and one stored entry per storage (since
1.6), and the older sequence of pickles, one of them the index, followed by the storages.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch

from training_loops.formats.budget import PICKLE, Budget
from training_loops.formats.gzips import open_unpacked
from training_loops.formats.kinds import Kind, kind_of
from training_loops.formats.pickles.machine import Lookup, Machine
from training_loops.formats.pickles.source import PickleError, Source
from training_loops.formats.pickles.tensors import (
    FORMAT,
    MAGIC,
    Claim,
    PickledTensor,
    Storage,
    claimed,
    rebuild_parameter,
    rebuild_tensor,
    storage_type,
)
from training_loops.formats.pickles.values import Allowed, Ordered
from training_loops.formats.text import printable
from training_loops.formats.zips import open_zip

_INDEX = "data.pkl"
_DEEPEST = 32
_DEVICES = ("cpu", "cuda", "mps", "xpu")  # devices whose tensors a file stores; "meta" tensors have no data
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_TABLE = {
    ("collections", "OrderedDict"): Allowed("collections.OrderedDict", call=Ordered, new=Ordered),
    ("torch._utils", "_rebuild_tensor_v2"): Allowed("torch._utils._rebuild_tensor_v2", call=rebuild_tensor),
    ("torch._utils", "_rebuild_parameter"): Allowed("torch._utils._rebuild_parameter", call=rebuild_parameter),
}


def tensors_only(module: str, name: str) -> Allowed | None:
    """Return the meaning of a global in a file of tensors and plain data, None for any other."""
    return _TABLE.get((module, name)) or storage_type(module, name)


class Index(NamedTuple):
    """The index pickle of a file of `torch.save`, and the function that resolves its persistent ids."""

    source: Source
    persistent: Callable[[Any], Storage]


def read_archive(path: Path, lookup: Lookup = tensors_only, *, budget: Budget | None = None) -> Any:
    """Return the content of a file of `torch.save`; tensors are `PickledTensor`, read on demand.

    Args:
        path: a regular file, possibly gzip-compressed.
        lookup: the globals that it may refer to.
        budget: its cost limits, where `lookup` charges the same budget.
    Raises:
        InputError: no such file, another format, damaged, or a global that `lookup` does not allow; names the file.
    """
    budget = budget or Budget(str(path), PICKLE)
    with _opened(path) as file:
        if _is_zip(file):
            return _Zip(file, str(path)).read(lookup, budget)
        return _read_row(Source(file, close=True), lookup, budget)


def open_index(path: Path) -> Index:
    """Return the index of a file of `torch.save`; its tensors cannot be read. Raises InputError as `read_archive`."""
    with _opened(path) as file:
        if _is_zip(file):
            return _Zip(file, str(path)).index()
        source = Source(file, close=True)
        _start_row(source, Budget(str(path), PICKLE))
        return Index(source, _without_numbers(source))


def entries_of(path: Path) -> list[str]:
    """Return the names of the entries of a zip archive. Raises InputError as `read_archive` does."""
    with _opened(path) as file, file, open_zip(file, str(path)) as archive:
        return archive.namelist()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, decompressed; errors are raised as a PickleError that names it."""
    try:
        if not path.is_file():
            raise PickleError("no such file")
        with ExitStack() as unless_read:
            file = open_unpacked(path)
            unless_read.callback(file.close)
            yield file
            unless_read.pop_all()
    except OSError as error:
        raise PickleError(f"{path}: {error.strerror or error}") from error
    except MemoryError as error:
        raise PickleError(f"{path}: not enough memory to read it") from error
    except PickleError as error:
        raise PickleError(f"{path}: {error}", offset=error.offset, reference=error.reference) from error


def _is_zip(file: BinaryIO) -> bool:
    head = file.read(4)
    file.seek(0)
    return kind_of(head) is Kind.ARCHIVE


def _without_numbers(source: Source) -> Callable[[Any], Storage]:
    storages: dict[str, Storage] = {}
    return lambda value: _storage_of(value, storages, lambda claim: source)


def with_tensors(data: Any) -> Any:
    """Return nested dicts and lists of `read_archive` with their tensors read; shared values remain shared.

    Raises:
        PickleError: the values are nested too deeply.
    """
    made: dict[int, Any] = {}
    rows: dict[object, torch.Tensor] = {}

    def walked(value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise PickleError("values are nested too deeply")
        if isinstance(value, PickledTensor):
            return value.read(rows)
        if type(value) not in (dict, Ordered, list, tuple):
            return value
        if id(value) not in made:
            if isinstance(value, dict):
                made[id(value)] = {key: walked(item, depth + 1) for key, item in value.items()}
            else:
                made[id(value)] = type(value)(walked(item, depth + 1) for item in value)
        return made[id(value)]

    return walked(data, 0)


class _Zip:
    """A zip archive of `torch.save`: one folder with the index and the storages, all entries uncompressed."""

    def __init__(self, file: BinaryIO, what: str) -> None:
        with open_zip(file, what, stored=True) as archive:
            self._entries = {entry.filename: entry for entry in archive.infolist()}
        roots = [name.removesuffix(_INDEX) for name in self._entries if name.endswith(f"/{_INDEX}")]
        if len(roots) != 1 or "/" in roots[0].rstrip("/"):
            raise PickleError("a zip archive without exactly one data.pkl; expected a file of torch.save")
        self._root = roots[0]
        file.seek(0)
        self._file = Source(file, close=True)

    def index(self) -> Index:
        source = self.source(_INDEX)
        return Index(source, _without_numbers(source))

    def source(self, name: str) -> Source:
        """Return the content of an entry after verifying its checksum."""
        entry = self._entries.get(f"{self._root}{name}")
        if entry is None:
            raise PickleError(f"entry {name} is missing")
        file = self._file.at(entry.header_offset)
        header = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        if header[0] != b"PK\x03\x04" or file.read(header[9]) != entry.orig_filename.encode():
            raise PickleError(f"entry {name} is not at the position given in the zip directory")
        file.part(header[10])
        content = file.part(entry.file_size)
        if _checksum(content.again()) != entry.CRC:
            raise PickleError(f"the checksum of {name} is wrong: the file is damaged")
        return content

    def read(self, lookup: Lookup, budget: Budget) -> Any:
        if f"{self._root}byteorder" in self._entries and self.source("byteorder").read(3) != b"lit":
            raise PickleError("big-endian data; save it on a little-endian machine")
        storages: dict[str, Storage] = {}

        index = self.source(_INDEX)
        data = Machine(
            index, lookup, budget=budget, persistent=lambda value: _storage_of(value, storages, self._numbers)
        ).run()
        if index.left:
            raise PickleError(f"{index.left} bytes after the end of the pickle", offset=index.offset)
        return data

    def _numbers(self, claim: Claim) -> Source:
        numbers = self.source(f"data/{claim.key}")
        if numbers.left != claim.numel * claim.dtype.itemsize:
            raise PickleError(f"storage {claim.key} claims {claim.numel} numbers, holds {numbers.left} bytes")
        return numbers


def _read_row(source: Source, lookup: Lookup, budget: Budget) -> Any:
    """Read PyTorch's older format."""
    _start_row(source, budget)
    storages: dict[str, Storage] = {}

    def pickle(allowed: Lookup = lambda module, name: None, claims: Callable[[Any], Any] | None = None) -> Any:
        return Machine(source, allowed, budget=budget, persistent=claims).run()

    data = pickle(lookup, lambda value: _storage_of(value, storages, lambda claim: source))  # numbers come later
    keys = pickle()
    if type(keys) is not list or set(map(str, keys)) != set(storages) or len(keys) != len(storages):
        raise PickleError("its list of storages does not match its tensors")
    for key in keys:
        storage = storages[key]
        if source.number(8) != storage.numel:
            raise PickleError(f"storage {printable(str(key)[:40])} does not have the size given in the index")
        storage.numbers = source.part(storage.numel * storage.dtype.itemsize)
    if source.left:
        raise PickleError(f"{source.left} bytes after the end of the tensors", offset=source.offset)
    return data


def _start_row(source: Source, budget: Budget) -> None:
    """Read the header before the index in PyTorch's older format."""
    if source.left < 2 or source.again().read(1) != b"\x80":
        raise PickleError("not a file of torch.save")

    def pickle() -> Any:
        return Machine(source, lambda module, name: None, budget=budget).run()

    if pickle() != MAGIC:
        raise PickleError("not a file of torch.save; a host's pickle ends in .pkl")
    version, system = pickle(), pickle()
    if version != FORMAT or type(system) is not dict or not system.get("little_endian"):
        raise PickleError("an unknown format of torch.save")


def _storage_of(value: Any, storages: dict[str, Storage], numbers: Callable[[Claim], Source]) -> Storage:
    """Return the storage of a persistent id, one for every key.

    Args:
        value: the id.
        storages: the storages found so far, by key; a new one is added.
        numbers: returns the data of a new storage.
    """
    claim = claimed(value)
    device = claim.device
    if type(device) is not str or device.partition(":")[0] not in _DEVICES:
        raise ValueError(f"a tensor on the device {str(device)[:40]!r}, which stores no data")
    if claim.key not in storages:
        storages[claim.key] = Storage(claim.dtype, claim.numel, numbers(claim))
    known = storages[claim.key]
    if (known.dtype, known.numel) != (claim.dtype, claim.numel):
        raise PickleError(f"storage {claim.key} has two conflicting descriptions")
    return known


def _checksum(source: Source) -> int:
    value = 0
    for block in _blocks(source):
        value = zlib.crc32(block, value)
    return value


def _blocks(source: Source) -> Iterator[bytes]:
    while source.left:
        yield source.read(min(source.left, 1 << 20))
