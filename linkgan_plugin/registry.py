"""The plugin registry: lists the `linkgan.*` entry-point groups and loads a plugin by name."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .errors import LinkGANError, suggest

GROUPS = ("losses", "generators", "metrics", "regions", "perturbations", "hosts", "directions")


@dataclass(frozen=True)
class Entry:
    """One registered plugin; `target` is ``"module:attribute"``. An entry is created without importing the plugin."""

    name: str
    kind: str
    target: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"'{self.name}' ({self.target}) of {self.distribution} {self.version}"


def entries(kind: str) -> list[Entry]:
    """Return every plugin of `kind` (one of `GROUPS`), duplicates included, by name; imports none.

    Raises:
        LinkGANError: there is no such kind.
    """
    if kind not in GROUPS:
        raise LinkGANError(f"unknown plugin kind '{kind}'; {suggest(kind, GROUPS)}")
    places = tuple((place, _changed(place)) for place in sys.path)
    return list(_entries(kind, places))


@lru_cache(maxsize=2 * len(GROUPS))
def _entries(kind: str, places: tuple[tuple[str, int], ...]) -> tuple[Entry, ...]:
    """Read a group; cached until a folder on the search path changes, since reading takes 10 ms."""
    found = [_entry(kind, point) for point in entry_points(group=f"linkgan.{kind}")]
    return tuple(sorted(found, key=lambda entry: (entry.name, entry.distribution)))


def _changed(place: str) -> int:
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return 0


def names(kind: str) -> list[str]:
    """Return the names registered for `kind`, sorted, each once."""
    return sorted({entry.name for entry in entries(kind)})


def find(kind: str, name: str) -> Entry:
    """Return the one plugin `name` of `kind`, without importing it.

    Raises LinkGANError for an unknown name (lists the valid ones and the nearest) and for a name that several
    distributions register (names them).
    """
    found = [entry for entry in entries(kind) if entry.name == name]
    if not found:
        raise LinkGANError(f"no plugin '{name}' among the {kind}; {suggest(name, names(kind))}")
    if len(found) > 1:
        rivals = " and by ".join(f"{entry.distribution} {entry.version}" for entry in found)
        raise LinkGANError(f"'{name}' of {kind} is registered by {rivals}: uninstall one of them")
    return found[0]


def load(kind: str, name: str) -> Any:
    """Import the one plugin `name` of `kind` and return the object that it refers to.

    Raises LinkGANError as `find` does, and for a plugin that fails to import (names it and the exception).
    """
    entry = find(kind, name)
    try:
        return EntryPoint(name, entry.target, f"linkgan.{kind}").load()
    except (Exception, SystemExit) as error:  # a plugin may fail in any way; report its name instead of crashing
        raise LinkGANError(f"plugin {entry} does not load: {type(error).__name__}: {error}") from error


def check(entry: Entry, *, importing: bool = True) -> str | None:
    """Return None if `entry` can be used under its name, else the reason; without `importing`, check only the name."""
    try:
        (load if importing else find)(entry.kind, entry.name)
    except LinkGANError as error:
        return str(error)
    return None


def _entry(kind: str, point: EntryPoint) -> Entry:
    """Describe one entry point with strings; a damaged installation may lack its name and version."""
    distribution, version = (point.dist.name, point.dist.version) if point.dist else (None, None)
    return Entry(point.name, kind, point.value, distribution or "unknown", version or "unknown")
