"""Zips and folders as sets of named files, with random reads and atomic writes."""

from __future__ import annotations

import os
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
from training_loops.formats.names import Names
from training_loops.formats.text import printable
from training_loops.formats.zip_members import ZipMembers


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
    """Reads files of a zip or folder by name; survives pickling and forking (each process opens its own handle).

    Attributes:
        path: the zip or folder.
        names: of all files, sorted.
    """

    def __init__(self, path: str | os.PathLike[str]):
        """Open `path`. Raises DatasetError when it is missing, or neither a folder of files nor a zip."""
        self.path = Path(path)
        self._what = f"data '{self.path}'"
        self._zip: ZipMembers | None = None
        if not self.path.exists():
            raise DatasetError(f"{self._what}: no such file or folder; give a zip or a folder of images")
        if self.path.is_dir():
            self.names = Names.of(_files_in(self.path, self._what))
            return
        if not self.path.is_file():
            raise DatasetError(f"{self._what}: a FIFO, socket or device; give a zip or a folder of images")
        try:
            self._zip = ZipMembers(self.path, self._what)
        except InputError as error:
            raise DatasetError(f"{error}; give a zip or a folder of images") from error
        self.names = self._zip.index.names

    def read(self, name: str, most: int = DATA_IMAGE) -> bytes:
        """Return the bytes of the file `name`. Raises DatasetError when unreadable or longer than `most`."""
        with dataset_errors():
            if self._zip is None:
                return read_file(self.path / name, most, f"{self._what}: '{name}'")
            return self._zip.read(name, most)

    def read_json(self, name: str) -> Any:
        """Return the value of the JSON file `name`. Raises DatasetError when it is invalid or too large."""
        with dataset_errors():
            return parse_json(self.read(name, LABELS.bytes), f"{self._what}: '{name}'", LABELS)

    def head(self, name: str, count: int) -> bytes:
        """Return the first `count` bytes of the file `name`. Raises DatasetError when they cannot be read."""
        with dataset_errors():
            if self._zip is not None:
                return self._zip.head(name, count)
            try:
                with open(self.path / name, "rb") as file:
                    return file.read(count)
            except OSError as error:
                raise DatasetError(f"{self._what}: '{name}' cannot be read ({error})") from error

    def contents(self) -> Iterator[tuple[str, int, int]] | None:
        """Yield the name, size and CRC-32 of every file in a zip, in the order of `names`; None for a folder."""
        return None if self._zip is None else self._zip.index.contents()

    def close(self) -> None:
        """Close the zip's handle; the next read opens it again."""
        if self._zip is not None:
            self._zip.close()


def _files_in(folder: Path, what: str) -> Iterator[str]:
    """Yield the path of every file below a folder, relative to it; links to folders are not followed."""
    whole, below = os.path.realpath(folder), [""]
    while below:
        inside = below.pop()
        try:
            entries = os.scandir(os.path.join(folder, inside))
        except OSError:  # a folder that may not be listed, as os.walk passes it over
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    below.append(f"{inside}{entry.name}/")
                elif entry.is_file(follow_symlinks=False) or _is_link_into(entry, whole):
                    yield inside + entry.name
                elif not entry.is_dir():
                    raise DatasetError(f"{what}: '{entry.path}' is not a file in it; copy it there or remove it")


def _is_link_into(entry: os.DirEntry[str], folder: str) -> bool:
    """Return whether `entry` is a link to a regular file in `folder`."""
    target = os.path.realpath(entry.path)
    return entry.is_symlink() and os.path.commonpath([target, folder]) == folder and os.path.isfile(target)


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
