"""Opens files that may be gzip-compressed: they are decompressed to an unnamed file, within a budget."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from training_loops.errors import InputError
from training_loops.formats.budget import Budget, packed_limits

MAGIC = b"\x1f\x8b"
_BLOCK = 1 << 18
_HEAD = 512
_GZIP = 16 + zlib.MAX_WBITS


def open_unpacked(path: Path | str) -> BinaryIO:
    """Open a file, decompressed if gzip-compressed, at its first byte. Closing it leaves no temporary file.

    Raises:
        OSError: it cannot be opened.
        InputError: the gzip data is damaged or truncated, or expands to more than weights do; names the file.
    """
    file = open(path, "rb")  # noqa: SIM115  (returned to the caller, unless it is compressed)
    if file.read(len(MAGIC)) != MAGIC:
        file.seek(0)
        return file
    with file:
        file.seek(0, 2)
        budget = Budget(str(path), packed_limits(file.tell()))
        file.seek(0)
        unpacked: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            with budget:
                for data in _unpacked(file, str(path)):
                    budget.charge(bytes=len(data), items=1)
                    unpacked.write(data)
        except BaseException:
            unpacked.close()
            raise
    unpacked.seek(0)
    return unpacked


def is_packed(path: Path | str) -> bool:
    """Return whether the file is gzip-compressed."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def first_bytes(path: Path | str) -> bytes:
    """Return the first 512 bytes of a file: of its decompressed content if gzip-compressed, unless that is damaged.

    Raises:
        InputError: it is not a file, or cannot be read; names it.
    """
    try:
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file" if not Path(path).exists() else f"{path}: not a file")
        with open(path, "rb") as file:
            head = file.read(_HEAD)
            if not head.startswith(MAGIC):
                return head
            inside = zlib.decompressobj(_GZIP).decompress(head + file.read(_BLOCK), _HEAD)
            return inside or head
    except zlib.error:
        return head
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def _unpacked(file: BinaryIO, what: str) -> Iterator[bytes]:
    """Yield the decompressed content of all members of the file, at most `_BLOCK` bytes at a time."""
    data = file.read(_BLOCK)
    while data:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            try:
                made = member.decompress(data, _BLOCK)
            except zlib.error as error:
                raise InputError(f"{what}: gzip data is damaged ({error})") from error
            data = member.unconsumed_tail or (b"" if member.eof else file.read(_BLOCK))
            if made:
                yield made
            elif not data and not member.eof:
                raise InputError(f"{what}: gzip data is truncated; download it again")
        data = (member.unused_data or file.read(_BLOCK)).lstrip(b"\0")  # zero padding may follow
