"""Lists the globals of a pickle, including dangerous ones: it is read to the end with inert values, without calls."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from training_loops.errors import InputError
from training_loops.formats.budget import PICKLE, Budget
from training_loops.formats.gzips import first_bytes, open_unpacked
from training_loops.formats.kinds import Kind, kind_of
from training_loops.formats.pickles.archive import open_index
from training_loops.formats.pickles.machine import Machine
from training_loops.formats.pickles.source import PickleError, Source
from training_loops.formats.pickles.values import Allowed, Ordered
from training_loops.formats.text import printable

from .allowed import AllowList, Pair
from .allowed import Kind as NameKind
from .allowed import kind_of as kind_of_name


@dataclass(frozen=True)
class Global:
    """A name that a file refers to.

    Attributes:
        name: module and qualified name, joined by a dot.
        offset: the byte where the file first refers to it.
        kind: its risk for a program that imports it.
    """

    name: str
    offset: int
    kind: NameKind


def list_globals(path: Path) -> list[Global]:
    """Return the globals of a host's pickle, or of the index of a PyTorch archive, as far as it is readable."""
    try:
        if kind_of(first_bytes(path)) in (Kind.ARCHIVE, Kind.ROW):
            return _walked(*open_index(path))[1]
        with open_unpacked(path) as file:
            binary = file.read(1) == b"\x80"
            file.seek(0)
            return _walked(Source(file), None)[1] if binary else _parsed(file)
    except (OSError, InputError):
        return []


def outline(path: Path) -> Any:
    """Return the content of a file of `torch.save`, as far as it is readable without knowing its classes.

    Tensors have shapes but no data; an unknown object is a dict with the items set on it, if any. None for an
    unreadable file.
    """
    try:
        return _walked(*open_index(path))[0]
    except InputError:
        return None


def _walked(source: Source, persistent: Callable[[Any], Any] | None) -> tuple[Any, list[Global]]:
    """Return the value of the pickle, None where it cannot be read to its end, and its globals."""
    budget = Budget("the pickle", PICKLE)
    known, called = AllowList(budget), set[Pair]()

    def lookup(module: str, name: str) -> Allowed:
        def call(*_: Any) -> Ordered:
            called.add((module, name))
            return Ordered()

        allowed = known(module, name) if kind_of_name(module, name) is NameKind.ALLOWED else None
        return allowed or Allowed(f"{module}.{name}", call=call, new=Ordered)

    machine = Machine(source, lookup, budget=budget, persistent=persistent or (lambda value: Ordered()))
    data, refused = None, None
    try:
        data = machine.run()
    except PickleError as error:
        refused = error
    except InputError:
        pass
    listed = [_global(pair, offset, called=pair in called) for pair, offset in machine.globals.items()]
    if refused is not None and refused.reference is not None:
        last = _global(_split(refused.reference), refused.offset or 0, called=True)
        listed += [last] if last.name not in {item.name for item in listed} else []
    return data, listed


def _parsed(file: BinaryIO) -> list[Global]:
    """Return the globals of a pickle in a text protocol, which snapshots never use."""
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
    kind = kind_of_name(*pair)
    if kind is NameKind.UNKNOWN and called:
        kind = NameKind.DANGEROUS
    return Global(printable(".".join(pair)[:200]), offset, kind)
