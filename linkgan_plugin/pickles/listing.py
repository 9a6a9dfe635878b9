"""The globals of a pickle, dangerous ones included: it is walked to the end with inert values, nothing is called."""

from __future__ import annotations

import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .allowed import lookup
from .machine import MAX_STEPS, Machine
from .source import PickleError, Source, printable
from .values import Allowed, Buildable

_LARGEST_INDEX = 64 << 20


@dataclass(frozen=True)
class Global:
    """A name that a file refers to: the byte where it first does, and whether network snapshots need it."""

    name: str
    offset: int
    allowed: bool


class _Inert(Buildable):
    """Stands for the result of a call that was not made."""

    def __init__(self, *_: Any) -> None:
        pass

    def build(self, state: Any) -> None:
        """Ignore the state."""


def list_globals(path: Path) -> list[Global]:
    """Return the globals of a host's pickle, or of the index of one of PyTorch's archives, as far as it can be read."""
    try:
        with open(path, "rb") as file:
            if zipfile.is_zipfile(file):
                return _of_archive(file)
            file.seek(0)
            binary = file.read(1) == b"\x80"
            file.seek(0)
            return _walked(file) if binary else _parsed(file)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return []


def _of_archive(file: BinaryIO) -> list[Global]:
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith("data.pkl") and entry.compress_type == zipfile.ZIP_STORED:
                if entry.file_size > _LARGEST_INDEX:
                    return []
                with archive.open(entry) as index:
                    return _walked(index)  # type: ignore[arg-type]
    return []


def _walked(file: BinaryIO) -> list[Global]:
    machine = Machine(Source(file), _anything, persistent=_Inert)
    found = machine.globals
    try:
        machine.run()
    except PickleError as error:
        if error.reference is not None:
            found.setdefault(error.reference, error.offset or 0)
    return [_global(name, offset) for name, offset in found.items()]


def _anything(name: str) -> Allowed:
    return lookup(name) or Allowed(name, call=_Inert, new=_Inert)


def _parsed(file: BinaryIO) -> list[Global]:
    """Return the globals of the text protocols, which no snapshot uses, from their lines."""
    found: dict[str, int] = {}
    try:
        for step, (opcode, argument, position) in enumerate(pickletools.genops(file)):
            if step >= MAX_STEPS:
                break
            if opcode.name in ("GLOBAL", "INST"):
                found.setdefault(str(argument).replace(" ", "."), position or 0)
    except (ValueError, OverflowError, UnicodeError):
        pass
    return [_global(name, offset) for name, offset in found.items()]


def _global(name: str, offset: int) -> Global:
    known = lookup(name) is not None or (name.startswith("torch.") and name.endswith("Storage"))
    return Global(printable(name[:200]), offset, known)
