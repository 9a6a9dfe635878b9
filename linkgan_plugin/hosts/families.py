"""The families of hosts: how they are recognised and what is inserted where, read from ``patches/*.json``."""

from __future__ import annotations

import importlib.resources
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training_loops.formats.json_text import fields_of, parse_object

from ..errors import LinkGANError, suggest

if TYPE_CHECKING:
    from importlib.abc import Traversable

GROUPS = ("link", "compat", "smoke")
PLACES = ("before", "after")
_FAMILY_FIELDS = {"name": str, "why": str, "has": list}
_INSERTION_FIELDS = {"file": str, "name": str, "group": str, "lines": list, "why": str}


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
class HostFamily:
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


def families(folder: Traversable | None = None) -> list[HostFamily]:
    """Return all families, the most specific (most files in `has`) first, from `folder` or the package's data.

    Raises:
        LinkGANError: malformed data; names the file and the field.
    """
    folder = folder or importlib.resources.files("linkgan_plugin.patches")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    records = {file.name.removesuffix(".json"): parse_object(file.read_bytes(), file.name) for file in files}
    found = [_family(file.name, records) for file in files]
    return sorted(found, key=lambda family: (-len(family.has), family.name))


def _family(file: str, records: Mapping[str, Any]) -> HostFamily:
    """Read a family; with ``like`` it inherits the files and insertions of another and adds its own."""
    data = fields_of(records[file.removesuffix(".json")], file, _FAMILY_FIELDS, {"like": str, "insertions": list})
    _check_lines(file, name=[data["name"]], why=[data["why"]], has=data["has"])
    parent = HostFamily("", (), ())
    if "like" in data:
        others = sorted(name for name, other in records.items() if "like" not in other)
        parent = _family(f"{_one_of(file, 'like', data['like'], others)}.json", records)
    items = data.get("insertions", [])
    own = tuple(_insertion(f"{file}: insertions[{i}]", item) for i, item in enumerate(items))
    family = HostFamily(data["name"], (*parent.has, *data["has"]), parent.insertions + own)
    keys = [(insertion.file, insertion.name) for insertion in family.insertions]
    for path, name in keys:
        if keys.count((path, name)) > 1:
            raise LinkGANError(f"{file}: insertions contains the name {name!r} twice for {path}")
    return family


def _insertion(where: str, item: Any) -> Insertion:
    """Read one insertion: its anchor is in the field ``before`` or ``after``."""
    data = fields_of(item, where, _INSERTION_FIELDS, {"optional": bool, **dict.fromkeys(PLACES, str)})
    places = [place for place in PLACES if place in data]
    if len(places) != 1:
        raise LinkGANError(f"{where}: {len(places)} of the fields before and after are set; expected one")
    anchor, lines = data.pop(places[0]), tuple(data.pop("lines"))
    _check_lines(where, lines=lines, **{places[0]: [anchor]}, **{key: [data[key]] for key in ("file", "name", "why")})
    _one_of(where, "group", data["group"], GROUPS)
    if not re.fullmatch(r"\w+", data["name"]):
        raise LinkGANError(f"{where}: name is {data['name']!r}; expected letters, digits and underscores")
    try:
        known = re.compile(anchor).groupindex
        used = {field for line in lines for _, field, _, _ in string.Formatter().parse(line) if field is not None}
    except (re.error, ValueError) as error:
        raise LinkGANError(f"{where}: {places[0]} or lines is invalid: {error}") from error
    for field in sorted(used - set(known)):
        raise LinkGANError(f"{where}: lines use {field!r}, which the anchor does not capture; {suggest(field, known)}")
    return Insertion(**{"optional": False, **data}, anchor=anchor, place=places[0], lines=lines)


def _one_of(where: str, field: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise LinkGANError(f"{where}: {field} is {value!r}; {suggest(value, choices)}")
    return value


def _check_lines(where: str, **fields: Sequence[Any]) -> None:
    """Refuse fields that are not made of one or more lines of text."""

    def is_line(line: Any) -> bool:
        return type(line) is str and line.strip() != "" and not re.search(r"[\r\n]", line)

    for field, lines in fields.items():
        if not lines or not all(map(is_line, lines)):
            raise LinkGANError(f"{where}: {field} is {list(lines)!r:.200}; expected lines of text")
