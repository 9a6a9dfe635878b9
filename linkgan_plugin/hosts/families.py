"""The families of hosts: how they are recognised and what is inserted where, read from ``patches/*.json``."""

from __future__ import annotations

import importlib.resources
import json
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import LinkGANError, suggest

if TYPE_CHECKING:
    from importlib.abc import Traversable

GROUPS = ("link", "compat", "smoke")
PLACES = ("before", "after")


@dataclass(frozen=True)
class Insertion:
    """Lines that are inserted before or after the line of a host's file that matches `anchor`.

    Attributes:
        name: unique within its file.
        file: path relative to the host's root, with forward slashes.
        anchor: regular expression, searched for in single lines; its named groups may be used in `lines` as ``{name}``.
        place: `before` or `after`.
        lines: the inserted lines, without the anchor line's indentation, which is added.
        group: `link` (the plugin), `compat` (fixes for current library versions) or `smoke` (in memory only).
        optional: the file or the anchor line may be missing in a host.
        why: the reason, in one line.
    """

    name: str
    file: str
    anchor: str
    place: str
    lines: tuple[str, ...]
    group: str
    optional: bool
    why: str


@dataclass(frozen=True)
class Family:
    """Hosts with the same insertions; `has` are the files, relative to the root, that every such host has."""

    name: str
    has: tuple[str, ...]
    insertions: tuple[Insertion, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The files with insertions, each once, in the order of the data."""
        return tuple(dict.fromkeys(insertion.file for insertion in self.insertions))

    def of(self, file: str) -> tuple[Insertion, ...]:
        """Return the insertions of one file."""
        return tuple(insertion for insertion in self.insertions if insertion.file == file)


def families(folder: Traversable | None = None) -> list[Family]:
    """Return all families, the most specific (most files in `has`) first, from `folder` or the package's data.

    Raises:
        LinkGANError: malformed data; names the file and the field.
    """
    folder = folder or importlib.resources.files("linkgan_plugin.patches")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    records = {file.name.removesuffix(".json"): _Record.read(file) for file in files}
    found = [_family(record, records) for record in records.values()]
    return sorted(found, key=lambda family: (-len(family.has), family.name))


@dataclass(frozen=True)
class _Record:
    """A JSON object and its place, so that errors can name the file and the field."""

    where: str
    data: Mapping[str, Any]

    @classmethod
    def read(cls, file: Traversable) -> _Record:
        """Read a file that contains one object."""
        try:
            return cls.of(file.name, json.loads(file.read_text(encoding="utf-8")))
        except ValueError as error:
            if isinstance(error, LinkGANError):
                raise
            raise LinkGANError(f"{file.name} is not JSON: {error}") from error

    @classmethod
    def of(cls, where: str, data: Any) -> _Record:
        """Return the record of a value that must be an object."""
        if not isinstance(data, dict):
            raise LinkGANError(f"{where} is {data!r}; expected a JSON object")
        return cls(where, data)

    def error(self, field: str, expected: str) -> LinkGANError:
        """Return the error for an invalid field."""
        value = repr(self.data[field]) if field in self.data else "missing"
        return LinkGANError(f"{self.where}: {field} is {value}; expected {expected}")

    def only(self, *fields: str) -> None:
        """Raise LinkGANError for unknown fields, which are most likely misspelt."""
        for field in self.data:
            if field not in fields:
                raise LinkGANError(f"{self.where}: unknown field {field!r}; {suggest(field, fields)}")

    def text(self, field: str) -> str:
        """Return a field that is one line."""
        if not _is_line(self.data.get(field)):
            raise self.error(field, "one line of text")
        return self.data[field]

    def texts(self, field: str) -> tuple[str, ...]:
        """Return a field that is a list of lines, at least one."""
        value = self.data.get(field)
        if not isinstance(value, list) or not value or not all(map(_is_line, value)):
            raise self.error(field, "a list of lines of text")
        return tuple(value)

    def one_of(self, field: str, choices: Sequence[Any]) -> Any:
        """Return a field whose value is one of `choices`."""
        if self.data.get(field) not in choices:
            raise self.error(field, " or ".join(json.dumps(choice) for choice in choices))
        return self.data[field]


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != "" and not re.search(r"[\r\n]", value)


def _family(record: _Record, records: Mapping[str, _Record]) -> Family:
    """Read a family; with ``like`` it inherits the files and insertions of another and adds its own."""
    record.only("name", "why", "like", "has", "insertions")
    record.text("why")
    parent = Family("", (), ())
    if "like" in record.data:
        others = sorted(name for name, other in records.items() if "like" not in other.data)
        parent = _family(records[record.one_of("like", others)], records)
    items = record.data.get("insertions", [] if parent.insertions else None)
    if not isinstance(items, list):
        raise record.error("insertions", "a list of JSON objects")
    own = tuple(_insertion(_Record.of(f"{record.where}: insertions[{i}]", item)) for i, item in enumerate(items))
    family = Family(record.text("name"), parent.has + record.texts("has"), parent.insertions + own)
    keys = [(insertion.file, insertion.name) for insertion in family.insertions]
    for file, name in keys:
        if keys.count((file, name)) > 1:
            raise LinkGANError(f"{record.where}: insertions contains the name {name!r} twice for {file}")
    return family


def _insertion(record: _Record) -> Insertion:
    """Read one insertion; its anchor is in the field ``before`` or ``after``."""
    record.only("file", "name", "group", "optional", "before", "after", "lines", "why")
    places = [place for place in PLACES if place in record.data]
    if len(places) != 1:
        raise LinkGANError(f"{record.where}: {len(places)} of the fields before and after are set; expected one")
    name, anchor, lines = record.text("name"), record.text(places[0]), record.texts("lines")
    if not re.fullmatch(r"\w+", name):
        raise record.error("name", "letters, digits and underscores")
    try:
        known = re.compile(anchor).groupindex
        used = {field for line in lines for _, field, _, _ in string.Formatter().parse(line) if field is not None}
    except (re.error, ValueError) as error:
        raise LinkGANError(f"{record.where}: {places[0]} or lines is invalid: {error}") from error
    for field in sorted(used - set(known)):
        raise record.error("lines", f"only names that the anchor captures, not {field!r}: {suggest(field, known)}")
    optional = record.one_of("optional", (True, False)) if "optional" in record.data else False
    group = record.one_of("group", GROUPS)
    return Insertion(name, record.text("file"), anchor, places[0], lines, group, optional, record.text("why"))
