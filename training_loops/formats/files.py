"""Reads whole untrusted files: regular files only, up to a maximum size."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from training_loops.errors import InputError

# Opening a FIFO without a writer, or some devices, would block without O_NONBLOCK.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def read_file(path: Path | str, most: int, what: str = "") -> bytes:
    """Return the content of a file.

    Args:
        path: the file.
        most: maximum size in bytes.
        what: its name in messages; by default the path.
    Raises:
        InputError: no such file, one that is larger, or a folder, FIFO, socket or device.
    """
    what = what or str(path)
    try:
        handle = os.open(path, _FLAGS)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise InputError(f"{what}: cannot be read (a folder, FIFO, socket or device; expected a file)")
        with open(handle, "rb") as file:
            size = os.fstat(handle).st_size
            data = file.read(most + 1) if size <= most else b""
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise InputError(f"{what}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if max(size, len(data)) > most:
        raise InputError(f"{what}: {max(size, len(data))} bytes, expected at most {most}")
    return data
