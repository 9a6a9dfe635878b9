"""Reads the files in an untrusted zip of up to millions of them, by name."""

from __future__ import annotations

import os
import struct
import threading
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from training_loops.errors import InputError
from training_loops.formats.zip_index import LOCAL_HEADER, entry_name, read_index
from training_loops.formats.zips import BROKEN_ZIP

_HEADER = struct.Struct("<4s2xH18xHH")  # signature, flags, lengths of name and extra fields
_CHUNK = 1 << 20


class ZipMembers:
    """The files in a zip. Every process and every copy opens a handle of its own, and keeps the list of entries.

    Attributes:
        index: the list of entries.
    """

    def __init__(self, path: Path, what: str) -> None:
        """Read the list of entries. Raises InputError, which begins with `what`, as `read_index` does."""
        self._path, self._what = path, what
        self._file: BinaryIO | None = None
        self._owner = 0
        self._lock = threading.Lock()
        self.index = read_index(self._opened(), what)

    def read(self, name: str, most: int) -> bytes:
        """Return the whole content of a file. Raises InputError: missing, damaged, or larger than `most` bytes."""
        row = self._row(name)
        size = int(self.index.sizes[row])
        if size > most:
            raise InputError(f"{self._named(name)} expands to {size} bytes, expected at most {most}")
        content = self._content(name, row, size + 1)
        if len(content) != size:
            raise InputError(f"{self._named(name)} does not have the size given in the zip directory")
        if zlib.crc32(content) != self.index.crcs[row]:
            raise InputError(f"{self._named(name)} cannot be read (its checksum differs)")
        return content

    def head(self, name: str, count: int) -> bytes:
        """Return the first `count` bytes of a file. Raises InputError: missing or damaged."""
        return self._content(name, self._row(name), count)

    def close(self) -> None:
        """Close the handle; the next read opens it again."""
        if self._file is not None and self._owner == os.getpid():
            self._file.close()
        self._file = None

    def _row(self, name: str) -> int:
        row = self.index.names.find(name)
        if row is None:
            raise InputError(f"{self._what}: '{name}' not found")
        return row

    def _named(self, name: str) -> str:
        return f"{self._what}: '{name:.200}'"

    def _content(self, name: str, row: int, count: int) -> bytes:
        """Return at most `count` bytes of a file's content."""
        try:
            with self._lock:
                file = self._opened()
                file.seek(self.index.offsets[row])
                _skip_header(file, name)
                packed = int(self.index.packed[row])
                return _inflated(file, packed, count) if self.index.deflated[row] else file.read(min(packed, count))
        except InputError:
            raise
        except BROKEN_ZIP as error:
            raise InputError(f"{self._named(name)} cannot be read ({str(error)[:200]})") from error

    def _opened(self) -> BinaryIO:
        # A forked child shares its parent's file position, so it needs its own handle.
        if self._file is None or self._owner != os.getpid():
            try:
                self._file = open(self._path, "rb")  # noqa: SIM115  (closed by close)
                self._owner = os.getpid()
            except OSError as error:
                raise InputError(f"{self._what}: cannot be read ({error.strerror or error})") from error
        return self._file

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_file", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _file=None, _lock=threading.Lock())


def _skip_header(file: BinaryIO, name: str) -> None:
    """Read the header before a file's content; it repeats the name, so a replaced zip is noticed."""
    mark, flags, length, extra = _HEADER.unpack(_exactly(file, LOCAL_HEADER))
    if mark != b"PK\x03\x04":
        raise ValueError("there is no entry where the zip directory says; was the file replaced?")
    found = entry_name(_exactly(file, length), flags)
    if found != name:
        raise ValueError(f"its header names it {found!r:.200}")
    file.seek(extra, os.SEEK_CUR)


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise EOFError("the file ends there")
    return data


def _inflated(file: BinaryIO, packed: int, count: int) -> bytes:
    """Return at most `count` bytes of `packed` deflated ones."""
    unpacker, parts = zlib.decompressobj(-zlib.MAX_WBITS), []
    while count > 0 and packed > 0 and not unpacker.eof:
        data = _exactly(file, min(packed, _CHUNK))
        parts.append(unpacker.decompress(data, count))
        packed -= len(data)
        count -= len(parts[-1])
    return b"".join(parts)
