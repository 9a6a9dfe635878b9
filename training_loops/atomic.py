"""Writing files so that a reader never sees half of one: a temporary neighbour, fsync, then rename."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

_SUFFIX = ".atomic-tmp"


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary file for writing that becomes `path` when the block ends well, and vanishes otherwise."""
    target = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=_SUFFIX, dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    _sync_folder(target.parent)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_file(path) as file:
        file.write(data)


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write JSON-able `data` to `path` atomically, indented."""
    write_bytes(path, (json.dumps(data, indent=2) + "\n").encode())


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Delete temporary files a killed writer left in `folder`."""
    for path in Path(folder).glob(f".*{_SUFFIX}"):
        path.unlink(missing_ok=True)


def _umask() -> int:
    # There is no way to read the mask without setting it; mkstemp's own 0600 would hide files from a group.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
