"""Opens untrusted zip files; rejects those that programs read differently or that expand to far more."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from training_loops.errors import InputError

MOST_ENTRIES = 4_000_000  # ImageNet has 1.3 million images
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1 | 0x40  # flags: encrypted, and strongly
# What zipfile raises on damaged or unsupported archives.
BROKEN_ZIP: tuple[type[Exception], ...] = (
    *(OSError, EOFError, KeyError, ValueError, OverflowError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)


def open_zip(file: Path | str | BinaryIO, what: str, *, stored: bool = False) -> zipfile.ZipFile:
    """Open a zip archive and check its list of entries; no entry is read.

    Args:
        file: its path, or a seekable stream.
        what: its name, for messages.
        stored: whether all entries must be stored (uncompressed).
    Raises:
        InputError: not a zip, or entries with the same name, encrypted, overlapping or of another compression method.
    """
    try:
        archive = zipfile.ZipFile(file)
    except BROKEN_ZIP as error:
        raise InputError(f"{what}: not a readable zip ({str(error)[:200] or type(error).__name__})") from error
    try:
        _check_entries(archive, what, (zipfile.ZIP_STORED,) if stored else METHODS)
    except InputError:
        archive.close()
        raise
    return archive


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, what: str, most: int) -> bytes:
    """Return the whole content of an entry.

    Raises:
        InputError: it is damaged, or larger than `most` bytes.
    """
    if entry.file_size > most:
        raise InputError(f"{what}: '{entry.filename:.200}' expands to {entry.file_size} bytes, expected at most {most}")
    try:
        with archive.open(entry) as file:
            content = file.read(entry.file_size + 1)
    except BROKEN_ZIP as error:
        raise InputError(f"{what}: '{entry.filename:.200}' cannot be read ({str(error)[:200]})") from error
    if len(content) != entry.file_size:
        raise InputError(f"{what}: '{entry.filename:.200}' does not have the size given in the zip directory")
    return content


def _check_entries(archive: zipfile.ZipFile, what: str, methods: Iterable[int]) -> None:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise InputError(f"{what}: {len(entries)} entries, expected at most {MOST_ENTRIES}")
    seen: set[str] = set()
    packed = 0
    for entry in entries:
        name = f"{what}: '{entry.filename:.200}'"
        if entry.filename in seen:
            raise InputError(f"{name} occurs twice, and programs differ in which one they read")
        if entry.flag_bits & ENCRYPTED:
            raise InputError(f"{name} is encrypted; pack it without a password")
        if entry.compress_type not in methods:
            kinds = "stored" if zipfile.ZIP_DEFLATED not in methods else "stored or deflated"
            raise InputError(f"{name} is compressed by method {entry.compress_type}, expected {kinds} entries")
        seen.add(entry.filename)
        packed += entry.compress_size
    if entries and packed > _size(archive):
        raise InputError(f"{what}: its entries together are larger than the file, so they overlap")


def _size(archive: zipfile.ZipFile) -> int:
    assert archive.fp is not None
    at = archive.fp.tell()
    size = archive.fp.seek(0, 2)
    archive.fp.seek(at)
    return size
