"""Zips and folders as sets of named files, with random reads and atomic writes."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from training_loops.errors import InputError
from training_loops.formats.atomic import temporary_folder
from training_loops.formats.budget import DATA_IMAGE, LABELS
from training_loops.formats.files import read_file
from training_loops.formats.json_text import parse_json
from training_loops.formats.text import printable
from training_loops.formats.zips import BROKEN_ZIP, open_zip, read_entry


class DatasetError(InputError):
    """Raised when a data set cannot be read or written; names the path, what was expected and how to fix it."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@contextmanager
def dataset_errors() -> Iterator[None]:
    """Convert InputErrors raised in the block to DatasetErrors."""
    try:
        yield
    except DatasetError:
        raise
    except InputError as error:
        raise DatasetError(str(error)) from error


class ArchiveReader:
    """Reads files of a zip or folder by name; survives pickling and forking (each process opens its own handle)."""

    def __init__(self, path: str | os.PathLike[str]):
        """Open `path`. Raises DatasetError when it is missing, or neither a folder of files nor a zip."""
        self.path = Path(path)
        self._what = f"data '{self.path}'"
        self._zip: zipfile.ZipFile | None = None
        self._owner = 0
        if not self.path.exists():
            raise DatasetError(f"{self._what}: no such file or folder; give a zip or a folder of images")
        self.is_folder = self.path.is_dir()
        if not self.is_folder and not self.path.is_file():
            raise DatasetError(f"{self._what}: a FIFO, socket or device; give a zip or a folder of images")
        self.names = frozenset(self._walk() if self.is_folder else self._opened().namelist())

    def _walk(self) -> Iterator[str]:
        whole = os.path.realpath(self.path)
        for root, _, files in os.walk(self.path):
            for name in files:
                file = os.path.join(root, name)
                if not _is_inside(file, whole):
                    raise DatasetError(f"{self._what}: '{file}' is not a file in it; copy it there or remove it")
                yield Path(file).relative_to(self.path).as_posix()

    def _opened(self) -> zipfile.ZipFile:
        # A forked child shares its parent's file position, so it needs its own handle.
        if self._zip is None or self._owner != os.getpid():
            try:
                self._zip, self._owner = open_zip(self.path, self._what), os.getpid()
            except InputError as error:
                raise DatasetError(f"{error}; give a zip or a folder of images") from error
        return self._zip

    def read(self, name: str, most: int = DATA_IMAGE) -> bytes:
        """Return the bytes of the file `name`. Raises DatasetError when unreadable or longer than `most`."""
        with dataset_errors():
            if self.is_folder:
                return read_file(self.path / name, most, f"{self._what}: '{name}'")
            return read_entry(self._opened(), self._entry(name), self._what, most)

    def read_json(self, name: str) -> Any:
        """Return the value of the JSON file `name`. Raises DatasetError when it is invalid or too large."""
        with dataset_errors():
            return parse_json(self.read(name, LABELS.bytes), f"{self._what}: '{name}'", LABELS)

    def head(self, name: str, count: int) -> bytes:
        """Return the first `count` bytes of the file `name`. Raises DatasetError when they cannot be read."""
        try:
            with open(self.path / name, "rb") if self.is_folder else self._opened().open(self._entry(name)) as file:
                return file.read(count)
        except DatasetError:
            raise
        except BROKEN_ZIP as error:
            raise DatasetError(f"{self._what}: '{name}' cannot be read ({error})") from error

    def _entry(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._opened().getinfo(name)
        except KeyError as error:
            raise DatasetError(f"{self._what}: '{name}' not found") from error

    def close(self) -> None:
        """Close the zip's handle; the next read opens it again."""
        if self._zip is not None and self._owner == os.getpid():
            self._zip.close()
        self._zip = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_zip": None}


def _is_inside(file: str, folder: str) -> bool:
    """Return whether `file` is a regular file, or links to one in `folder`."""
    kind = os.lstat(file).st_mode
    if not stat.S_ISLNK(kind):
        return stat.S_ISREG(kind)
    target = os.path.realpath(file)
    return os.path.commonpath([target, folder]) == folder and os.path.isfile(target)


class ArchiveWriter:
    """Writes named files into a new zip (stored, not compressed) or folder."""

    def __init__(self, place: Path, is_zip: bool):
        self._place = place
        self._zip = zipfile.ZipFile(place, "w", zipfile.ZIP_STORED) if is_zip else None

    def write(self, name: str, data: bytes) -> None:
        """Add the file `name`. Zips of the same files are identical byte for byte."""
        if self._zip is not None:
            # A fixed date: the archive depends on its contents alone.
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            self._zip.writestr(entry, data)
            return
        target = self._place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._zip is not None:
            self._zip.close()


def check_new(path: str | os.PathLike[str]) -> Path:
    """Return `path` as a Path. Raises DatasetError when it exists."""
    path = Path(path)
    if path.exists():
        raise DatasetError(f"'{path}' exists already and is not overwritten; delete it or choose another name")
    return path


@contextmanager
def new_archive(path: str | os.PathLike[str]) -> Iterator[ArchiveWriter]:
    """Yield a writer for a new zip (the name ends in .zip) or folder, which is moved to `path` when complete."""
    path = check_new(path)
    is_zip = path.suffix.lower() == ".zip"
    with temporary_folder(path) as workshop:
        place = workshop / path.name
        if not is_zip:
            place.mkdir()
        with ArchiveWriter(place, is_zip) as writer:
            yield writer
        if is_zip:
            with open(place, "rb") as written:
                os.fsync(written.fileno())
        check_new(path)
        place.rename(path)
