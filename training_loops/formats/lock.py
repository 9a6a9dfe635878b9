"""A lock file for a folder: it records the process that holds it and is released when that process dies."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from training_loops.errors import InputError

try:
    import fcntl
except ImportError:  # Windows, where only the record in the file is used
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = "lock.json"
_TAKEN = {errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN}
_NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}  # file systems without locks
_SAME_START = 2.0  # seconds by which two readings of a process's start time may differ


class LockedError(InputError):
    """Another process uses the folder; the message names it, and how to remove the lock of a dead process."""


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Lock `folder`, which is created when missing, while the block runs.

    The system releases the lock when this process ends, where the file system supports locks. The process, host and
    start time in the file are for the message, and for file systems whose locks do not reach other machines. The lock
    of a dead process of this machine is taken over with a line on stderr.

    Raises:
        LockedError: another process holds the lock, or the file was left by a process on another machine.
    """
    path = Path(folder, LOCK_FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _opened(path)
    try:
        _check_holder(path, _read(handle))
        _write(handle, _own_record())
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # the folder may have been removed
                path.unlink()
    finally:
        os.close(handle)  # releases the system's lock


def is_unused(folder: Path) -> bool:
    """Return whether `folder` is missing or holds nothing but a lock."""
    return not folder.exists() or all(entry.name == LOCK_FILE for entry in folder.iterdir())


def _opened(path: Path) -> int:
    """Open the file and lock it. Raises LockedError where another process holds it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle)
        except OSError as error:
            record = _read(handle)
            os.close(handle)
            if error.errno not in _TAKEN:
                raise
            raise LockedError(_message(path, record)) from error
        if _is_at(handle, path):
            return handle
        os.close(handle)  # its previous holder removed it after it was opened here


def _lock(handle: int) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _check_holder(path: Path, record: dict[str, Any] | None) -> None:
    """Raise LockedError unless there is no record, or it is of a dead process of this machine."""
    if record is None:
        return
    if record.get("host") != socket.gethostname() or _is_other_living(record):
        raise LockedError(_message(path, record))
    print(f"{path.parent}: lock taken over from {_name(record)}, which no longer runs", file=sys.stderr, flush=True)


def _is_other_living(record: dict[str, Any]) -> bool:
    pid, started = record.get("pid"), record.get("started")
    if pid == os.getpid() or not isinstance(pid, int) or not isinstance(started, int | float):
        return False
    try:
        return abs(psutil.Process(pid).create_time() - started) < _SAME_START
    except (psutil.Error, ValueError, OverflowError):
        return False


def _own_record() -> dict[str, Any]:
    own = psutil.Process()
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"pid": own.pid, "host": socket.gethostname(), "started": own.create_time(), "since": since}


def _read(handle: int) -> dict[str, Any] | None:
    """Return the holder's record in the file, None where it is missing or unreadable."""
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        found = json.loads(os.read(handle, 4096))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(handle: int, record: dict[str, Any]) -> None:
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, (json.dumps(record, allow_nan=False) + "\n").encode())
    os.fsync(handle)


def _message(path: Path, record: dict[str, Any] | None) -> str:
    return (
        f"{path.parent} is in use by {_name(record or {})}; wait for it, choose another folder, or, if that process no "
        f"longer runs, remove {path}"
    )


def _name(record: dict[str, Any]) -> str:
    if not record:
        return "another process"
    return f"process {record.get('pid')} on {record.get('host')}, since {record.get('since')}"
