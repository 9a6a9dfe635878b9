"""The globals of a pickle, dangerous ones included: it is walked to the end with inert values, nothing is called."""

from __future__ import annotations

import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from training_loops.errors import InputError
from training_loops.formats.budget import PICKLE, Budget
from training_loops.formats.pickles.archive import open_index
from training_loops.formats.pickles.machine import Machine
from training_loops.formats.pickles.source import PickleError, Source
from training_loops.formats.pickles.values import Allowed, Buildable
from training_loops.formats.text import printable

from .allowed import AllowList, Kind, Pair, kind_of


@dataclass(frozen=True)
class Global:
    """A name that a file refers to.

    Attributes:
        name: module and qualified name, joined by a dot. offset: the byte where the file first refers to it.
        kind: what it means for a program that imports it.
    """

    name: str
    offset: int
    kind: Kind


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
                return _walked(open_index(path))
            file.seek(0)
            binary = file.read(1) == b"\x80"
            file.seek(0)
            return _walked(Source(file)) if binary else _parsed(file)
    except (OSError, InputError):
        return []


def _walked(source: Source) -> list[Global]:
    budget = Budget("the pickle", PICKLE)
    known, called = AllowList(budget), set[Pair]()

    def lookup(module: str, name: str) -> Allowed:
        def call(*_: Any) -> _Inert:
            called.add((module, name))
            return _Inert()

        allowed = known(module, name) if kind_of(module, name) is Kind.ALLOWED else None
        return allowed or Allowed(f"{module}.{name}", call=call, new=_Inert)

    machine = Machine(source, lookup, budget=budget, persistent=_Inert)
    refused: PickleError | None = None
    try:
        machine.run()
    except PickleError as error:
        refused = error
    except InputError:
        pass
    listed = [_global(pair, offset, called=pair in called) for pair, offset in machine.globals.items()]
    if refused is not None and refused.reference is not None:
        last = _global(_split(refused.reference), refused.offset or 0, called=True)
        listed += [last] if last.name not in {item.name for item in listed} else []
    return listed


def _parsed(file: BinaryIO) -> list[Global]:
    """Return the globals of the text protocols, which no snapshot uses, from their lines."""
    found: dict[Pair, int] = {}
    try:
        for step, (opcode, argument, position) in enumerate(pickletools.genops(file)):
            if step >= PICKLE.items:
                break
            if opcode.name in ("GLOBAL", "INST"):
                module, _, name = str(argument).partition(" ")
                found.setdefault((module, name), position or 0)
    except (ValueError, OverflowError, UnicodeError):
        pass
    return [_global(pair, offset, called=True) for pair, offset in found.items()]


def _split(name: str) -> Pair:
    module, _, attribute = name.rpartition(".")
    return module, attribute


def _global(pair: Pair, offset: int, *, called: bool) -> Global:
    kind = kind_of(*pair)
    if kind is Kind.UNKNOWN and called:
        kind = Kind.DANGEROUS
    return Global(printable(".".join(pair)[:200]), offset, kind)
