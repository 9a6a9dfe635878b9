"""Atomic file writes: a temporary file in the same folder, fsync, then rename."""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from training_loops.errors import InputError
from training_loops.formats.strict_json import not_finite

_MARK = ".atomic-tmp"
_TEMPORARY = re.compile(rf"\..+{re.escape(_MARK)}-[a-z0-9_]{{8}}(\.[^.]*)?", re.DOTALL)
_STALE = 3600.0  # seconds without a write after which a temporary file is considered abandoned
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, keep: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """Yield a temporary path next to `path`; it is renamed to `path` on success and deleted on failure.

    The suffix is kept, since encoders choose their format by it. An existing file at `path` is renamed to `keep`, where
    given; a process killed in between leaves only `keep`.

    Raises OSError naming `path` when the disk is full or fails.
    """
    target = Path(path)
    _make_folder(target.parent)
    remove_leftovers(target.parent, target.name, older=_STALE)
    handle, name = tempfile.mkstemp(prefix=_prefix(target.name), suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with disk_errors_named(target):
            yield temporary
            _sync(temporary)
            temporary.chmod(0o666 & ~_umask())
            if keep is not None and target.exists():
                target.replace(keep)
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # not every system lets a folder be opened
        _sync(target.parent)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str], *, keep: str | os.PathLike[str] | None = None) -> Iterator[IO[bytes]]:
    """Open a binary file for writing that replaces `path` as `replacing` does."""
    with replacing(path, keep=keep) as temporary, open(temporary, "wb") as file:
        yield file


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write plain data as indented JSON, atomically.

    Raises:
        InputError: `data` contains NaN or infinity, which JSON cannot represent; names the place.
    """
    if found := not_finite(data):
        raise InputError(f"{path}: {found}, but JSON supports finite numbers only; the file is unchanged")
    write_bytes(path, (json.dumps(data, indent=2, allow_nan=False) + "\n").encode())


def append_line(path: str | os.PathLike[str], line: str) -> None:
    """Append `line` and a line feed to a log. Raises OSError naming `path` when the disk is full or fails."""
    with disk_errors_named(path), open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")


@contextlib.contextmanager
def temporary_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder next to `path` to prepare it in; it is deleted when the block ends."""
    target = Path(path)
    _make_folder(target.parent)
    remove_leftovers(target.parent, target.name, older=_STALE)
    folder = Path(tempfile.mkdtemp(prefix=_prefix(target.name), dir=target.parent))
    try:
        with disk_errors_named(target):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: str | os.PathLike[str], name: str | None = None, *, older: float = 0.0) -> None:
    """Delete the temporary files of killed writers in `folder`: of `name` (None: all), untouched for `older` seconds.

    Only files and folders of this user with a name made by `mkstemp` are deleted, never links.
    """
    pattern = f".*{_MARK}-*" if name is None else glob.escape(_prefix(name)) + "*"
    for path in Path(folder).glob(pattern):
        with contextlib.suppress(OSError):  # another process may delete it first
            if not _is_ours(path) or (older and time.time() - _last_touched(path) < older):
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_ours(path: Path) -> bool:
    """Return whether `path` has a temporary's name and is a regular file or folder of this user."""
    status = path.lstat()
    plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return plain and own and _TEMPORARY.fullmatch(path.name) is not None


def _last_touched(path: Path) -> float:
    """Return when a file, or anything in a folder, was last written; links are not followed."""
    inner = (os.path.join(top, name) for top, folders, files in os.walk(path) for name in (*folders, *files))
    return max(os.lstat(part).st_mtime for part in (str(path), *inner))


@contextlib.contextmanager
def disk_errors_named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Report a full or failing disk as an OSError with the file's final name, whatever the writing library raises."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not (isinstance(cause, OSError) and cause.errno in DISK_ERRORS):
            cause = cause.__context__
        if cause is None:
            raise
        raise OSError(cause.errno, cause.strerror, os.fspath(path)) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # "File exists" would suggest that a file might be overwritten
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def _prefix(name: str) -> str:
    return f".{name}{_MARK}-"


def _umask() -> int:
    # The mask can only be read by setting it; the 0600 of mkstemp would hide files from a group.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
