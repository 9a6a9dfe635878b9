"""The list of entries of an untrusted zip of up to millions of files, as arrays instead of an object an entry."""

from __future__ import annotations

import operator
import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, NamedTuple, NoReturn

import numpy as np

from training_loops.errors import InputError
from training_loops.formats.names import Names
from training_loops.formats.zips import ENCRYPTED, METHODS, MOST_ENTRIES

LOCAL_HEADER = 30  # bytes, before the name
_UTF8 = 0x800
_DEFLATED = 8
_NEWEST = 63  # version 6.3 of the format, as zipfile
_MOST_BYTES = 1 << 30  # of the list: 4 million entries of 268 bytes
_LARGE = 0xFFFFFFFF  # stands for a number in the zip64 extra field
_LONGEST_COMMENT = 1 << 16
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")  # of the zip64 end
_LARGE_END = struct.Struct("<4sQ2H2L4Q")
_LENGTHS = struct.Struct("<4s24xHHH")  # the beginning of a record: signature, lengths of name, extra and comment
_FIELDS = {
    "version": ("u1", 6),
    "flags": ("<u2", 8),
    "method": ("<u2", 10),
    "crc": ("<u4", 16),
    "packed": ("<u4", 20),
    "size": ("<u4", 24),
    "name": ("<u2", 28),
    "extra": ("<u2", 30),
    "offset": ("<u4", 42),
}
_RECORD = np.dtype(
    {
        "names": list(_FIELDS),
        "formats": [kind for kind, _ in _FIELDS.values()],
        "offsets": [at for _, at in _FIELDS.values()],
        "itemsize": 46,
    }
)


@dataclass(frozen=True)
class ZipIndex:
    """The entries of a zip in the order of their names: about 70 bytes each.

    Attributes:
        names: N different names.
        offsets: int64 [N], where each entry's header begins in the file.
        packed: int64 [N], bytes in the file.
        sizes: int64 [N], bytes of the content.
        crcs: uint32 [N], CRC-32 of the content.
        deflated: bool [N]; the others are stored.
    """

    names: Names
    offsets: np.ndarray
    packed: np.ndarray
    sizes: np.ndarray
    crcs: np.ndarray
    deflated: np.ndarray

    def contents(self) -> Iterator[tuple[str, int, int]]:
        """Yield the name, size and CRC-32 of every entry."""
        return zip(self.names, self.sizes.data, self.crcs.data, strict=True)


class _End(NamedTuple):
    """What the end of a zip says about the list of its entries: its place, bytes and entries; where entry 0 is."""

    start: int
    bytes: int
    entries: int
    exact: bool
    prefix: int


def read_index(file: BinaryIO, what: str) -> ZipIndex:
    """Read and check the list of entries of a zip; no entry is read.

    Args:
        file: seekable.
        what: its name, for messages.
    Raises:
        InputError: not a zip, one whose parts contradict each other, or entries with the same name, encrypted,
            overlapping or of another compression method than stored or deflated.
    """
    try:
        end = _find_end(file, what)
        file.seek(end.start)
        data = file.read(end.bytes)
    except OSError as error:
        _refuse(what, str(error))
    if len(data) != end.bytes:
        _refuse(what, "its list of entries is cut off")
    at = _positions(data, end, what)
    table = np.ndarray((max(0, len(data) - _RECORD.itemsize + 1),), _RECORD, data, strides=(1,))
    lengths, flags, method = table["name"][at].astype(np.int64), table["flags"][at], table["method"][at]
    keys = _keys(data, at + _RECORD.itemsize, lengths, flags, what)
    _check_kinds(keys, table["version"][at], flags, method, what)
    sizes, packed, offsets = (table[name][at].astype(np.int64) for name in ("size", "packed", "offset"))
    extra = at + _RECORD.itemsize + lengths
    _widen(data, extra, extra + table["extra"][at], (sizes, packed, offsets), what)
    offsets += end.prefix
    _check_places(keys, offsets, offsets + LOCAL_HEADER + lengths + packed, end.start, what)
    facts = (offsets, packed, sizes, table["crc"][at], method == _DEFLATED)
    del data, table, at, extra, lengths
    return _sorted(keys, facts, what)


def entry_name(raw: bytes, flags: int) -> str:
    """Return the name of an entry as zipfile reads it. Raises UnicodeDecodeError for invalid UTF-8."""
    name = raw.decode("utf-8" if flags & _UTF8 else "cp437")
    return name.partition("\0")[0].replace(os.sep, "/")


def _refuse(what: str, why: str) -> NoReturn:
    raise InputError(f"{what}: not a readable zip ({why})")


def _find_end(file: BinaryIO, what: str) -> _End:
    """Return what the last end record says, and check that its numbers fit the file."""
    size = file.seek(0, 2)
    start = max(0, size - _END.size - _LONGEST_COMMENT)
    file.seek(start)
    tail = file.read(size - start)
    # As zipfile: a record without a comment at the very end, else the last that looks like one.
    plain = tail[-_END.size :].startswith(b"PK\x05\x06") and tail.endswith(b"\0\0")
    at = len(tail) - _END.size if plain else tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        _refuse(what, "no end record: it is not a zip, or it is cut off")
    *_, count, length, first, _ = _END.unpack_from(tail, at)
    after = start + at  # the list of entries ends here
    large = _large_end(file, after, what)
    if large is not None:
        after, count, length, first = large
    if count > MOST_ENTRIES or length > _MOST_BYTES:
        raise InputError(f"{what}: {count} entries in {length} bytes, expected at most {MOST_ENTRIES} in {_MOST_BYTES}")
    if after - length - first < 0:
        _refuse(what, "the list of entries is not where the end record says")
    return _End(after - length, length, count, large is not None, after - length - first)


def _large_end(file: BinaryIO, end: int, what: str) -> tuple[int, int, int, int] | None:
    """Return the place, entries, bytes and offset in a zip64 end before `end`, None where there is none."""
    at = end - _LOCATOR.size - _LARGE_END.size
    if at < 0:
        return None
    file.seek(at)
    both = file.read(end - at)
    mark, disk, said, disks = _LOCATOR.unpack_from(both, _LARGE_END.size)
    if mark != b"PK\x06\x07":
        return None
    if disk or disks > 1:
        _refuse(what, "a part of a zip of several files; join them first")
    mark, *_, count, length, first = _LARGE_END.unpack_from(both)
    if mark != b"PK\x06\x06" or said + (at - length - first) != at:
        _refuse(what, "the zip64 end record is not where its locator says")
    return at, count, length, first


def _positions(data: bytes, end: _End, what: str) -> np.ndarray:
    """Return where each record begins, int64 [N]: the length of a record depends on its name, so one after another."""
    places, at, size = array("q"), 0, len(data)
    read, add, fixed = _LENGTHS.unpack_from, places.append, _RECORD.itemsize
    while at + fixed <= size:
        mark, name, extra, comment = read(data, at)
        if mark != b"PK\x01\x02":
            _refuse(what, f"entry {len(places)} of its list does not begin as an entry")
        add(at)
        at += fixed + name + extra + comment
    if at != size:
        _refuse(what, "its list of entries is cut off")
    # Without zip64 the number of entries has 16 bits; some programs write more entries than that.
    listed = len(places) if end.exact else len(places) % (1 << 16)
    if listed != end.entries or len(places) > MOST_ENTRIES:
        _refuse(what, f"{len(places)} entries, but its end says {end.entries}, and programs differ in which they read")
    return np.frombuffer(places, np.int64) if places else np.zeros(0, np.int64)


def _keys(data: bytes, starts: np.ndarray, lengths: np.ndarray, flags: np.ndarray, what: str) -> list[bytes]:
    """Return the names as UTF-8, in the order of the list."""
    keys = [data[start:end] for start, end in zip(starts.data, (starts + lengths).data, strict=True)]
    for row, key in enumerate(keys):
        if not key.isascii() or b"\0" in key or os.sep != "/":
            try:
                keys[row] = entry_name(key, int(flags[row])).encode()
            except UnicodeDecodeError as error:
                _refuse(what, f"the name of entry {row} is not text: {error}")
    return keys


def _check_kinds(keys: list[bytes], version: np.ndarray, flags: np.ndarray, method: np.ndarray, what: str) -> None:
    for row in np.flatnonzero(version > _NEWEST)[:1]:
        _refuse(what, f"{_shown(keys[row])} needs version {version[row] / 10} of the format")
    for row in np.flatnonzero(flags & ENCRYPTED)[:1]:
        raise InputError(f"{what}: {_shown(keys[row])} is encrypted; pack it without a password")
    for row in np.flatnonzero(~np.isin(method, METHODS))[:1]:
        raise InputError(
            f"{what}: {_shown(keys[row])} is compressed by method {method[row]}, expected stored or deflated entries"
        )


def _widen(data: bytes, at: np.ndarray, ends: np.ndarray, numbers: tuple[np.ndarray, ...], what: str) -> None:
    """Replace, in place, numbers that do not fit 32 bits by those of the zip64 extra fields.

    Args:
        at: int64 [N], where each entry's extra fields begin; changed.
        ends: int64 [N].
        numbers: size, packed size and offset, int64 [N] each, in the order of the format.
    """
    if not len(at):
        return
    two = np.ndarray((len(data) - 1,), "<u2", data, strides=(1,))
    eight = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
    rows = np.arange(len(at))
    while len(rows := rows[at[rows] + 4 <= ends[rows]]):  # each round reads one field of each entry that has one
        field = at[rows]
        after = field + 4 + two[field + 2]
        if (after > ends[rows]).any():
            _refuse(what, "an extra field is longer than its entry")
        large = two[field] == 1
        place, until, of = field[large] + 4, after[large], rows[large]
        for values in numbers:
            wide = values[of] == _LARGE
            if (place[wide] + 8 > until[wide]).any() or (eight[place[wide]] >> np.uint64(62)).any():
                _refuse(what, "a zip64 extra field does not hold the numbers of its entry")
            values[of[wide]] = eight[place[wide]]
            place[wide] += 8
        at[rows] = after


def _check_places(keys: list[bytes], starts: np.ndarray, ends: np.ndarray, last: int, what: str) -> None:
    """Check that the entries follow each other before `last`, without overlaps."""
    order = np.argsort(starts, kind="stable")
    limits = np.append(starts[order][1:], last)
    for row in order[np.flatnonzero(ends[order] > limits)][:1]:
        raise InputError(f"{what}: {_shown(keys[row])} and what follows it in the file overlap")


def _sorted(keys: list[bytes], facts: tuple[np.ndarray, ...], what: str) -> ZipIndex:
    if not all(map(operator.lt, keys, islice(keys, 1, None))):
        order = sorted(range(len(keys)), key=keys.__getitem__)
        keys = [keys[row] for row in order]
        twice = next((a for a, b in zip(keys, islice(keys, 1, None), strict=False) if a == b), None)
        if twice is not None:
            raise InputError(f"{what}: {_shown(twice)} occurs twice, and programs differ in which one they read")
        facts = tuple(values[order] for values in facts)
    return ZipIndex(Names.joined(keys), *facts)


def _shown(key: bytes) -> str:
    return f"'{key.decode():.200}'"
