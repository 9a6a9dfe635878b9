"""A zip or a folder as one set of named files, read at random and written atomically."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from training_loops.atomic import temporary_folder
from training_loops.errors import InputError


class DatasetError(InputError):
    """Raised for a data set that cannot be read or written as asked: names the path, what was expected, the way out."""


class ArchiveReader:
    """Reads files of a zip or folder by name; survives pickling and forking (each process opens its own handle)."""

    def __init__(self, path: str | os.PathLike[str]):
        """Open `path`. Raises DatasetError when it is missing, or neither a folder nor a zip."""
        self.path = Path(path)
        self._zip: zipfile.ZipFile | None = None
        self._owner = 0
        if not self.path.exists():
            raise DatasetError(f"data '{self.path}': no such file or folder; give a zip or a folder of images")
        self.is_folder = self.path.is_dir()
        if not self.is_folder and not zipfile.is_zipfile(self.path):
            raise DatasetError(f"data '{self.path}': not a zip (damaged or another format); give a zip or a folder")
        self.names = frozenset(self._walk() if self.is_folder else self._opened().namelist())

    def _walk(self) -> Iterator[str]:
        for root, _, files in os.walk(self.path):
            for name in files:
                yield Path(root, name).relative_to(self.path).as_posix()

    def _opened(self) -> zipfile.ZipFile:
        # A forked child shares its parent's file position, so it needs its own handle.
        if self._zip is None or self._owner != os.getpid():
            self._zip, self._owner = zipfile.ZipFile(self.path), os.getpid()
        return self._zip

    def read(self, name: str, limit: int = -1) -> bytes:
        """Return the bytes of the file `name`, at most `limit`. Raises DatasetError when they cannot be read."""
        try:
            with open(self.path / name, "rb") if self.is_folder else self._opened().open(name) as file:
                return file.read(limit)
        except (OSError, KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DatasetError(f"data '{self.path}': cannot read '{name}': {error}") from error

    def close(self) -> None:
        """Close the zip's handle; the next read opens it again."""
        if self._zip is not None and self._owner == os.getpid():
            self._zip.close()
        self._zip = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_zip": None}


class ArchiveWriter:
    """Writes named files into a new zip (stored, not compressed) or folder."""

    def __init__(self, place: Path, is_zip: bool):
        self._place = place
        self._zip = zipfile.ZipFile(place, "w", zipfile.ZIP_STORED) if is_zip else None

    def write(self, name: str, data: bytes) -> None:
        """Add the file `name`; a zip made from the same files is the same to the byte."""
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
    """Return `path` as a Path. Raises DatasetError when something is there already."""
    path = Path(path)
    if path.exists():
        raise DatasetError(f"'{path}' exists already and is not overwritten; delete it or choose another name")
    return path


@contextmanager
def new_archive(path: str | os.PathLike[str]) -> Iterator[ArchiveWriter]:
    """Give a writer for a new zip (the name ends in .zip) or folder that appears under `path` once it is whole."""
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
