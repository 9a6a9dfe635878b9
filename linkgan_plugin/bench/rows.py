"""The rows of the ablation: named sets of switches, made from the two recipes and the links at hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import LinkGANError, suggest
from ..flags import SWITCHES
from ..recipes import RECIPES, Recipe, make_recipe

UNLINKED, CONTINUED = "unlinked", "unlinked-continued"
# The paper's 8 ... 256 of 512 axes, by their share of a latent of 64, from 2 on.
AXIS_COUNTS = (2, 4, 8, 16, 32)
TILINGS = {
    "two-corners": ("box(0,0,0.5,0.5)", "box(0.5,0.5,1,1)"),
    "four-quadrants": ("box(0,0,0.5,0.5)", "box(0.5,0,1,0.5)", "box(0,0.5,0.5,1)", "box(0.5,0.5,1,1)"),
}
_TILE_AXES = 8


@dataclass(frozen=True)
class Row:
    """One line of the table: how its networks are trained, and which row they are compared with.

    Attributes:
        name: also its folder.
        meaning: one line for people.
        recipe: name of the recipe it starts from.
        switches: what it changes of it.
        links: ``NAME=AXES@REGION`` each.
        baseline: the row whose mean quality is 1.
        resume: the row whose snapshot of the same seed it starts from, None = from scratch.
    """

    name: str
    meaning: str
    links: tuple[str, ...]
    recipe: str = "default"
    switches: tuple[tuple[str, Any], ...] = ()
    baseline: str = UNLINKED
    resume: str | None = None

    def full_recipe(self) -> Recipe:
        """Return all switches."""
        return make_recipe(self.recipe, **dict(self.switches))

    def arguments(self) -> list[str]:
        """Return the options of `linkgan train` that make this row."""
        # A run that begins with a trained network would start its links at once, unless it is told when.
        switches = {"start": self.full_recipe().start, **dict(self.switches)}
        flags = [f"--link-{name.replace('_', '-')}={_text(value)}" for name, value in switches.items()]
        links = [part for link in self.links for part in ("--link", link)]
        return ["--loss=linkgan", *links, "--link-recipe", self.recipe, *flags]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def all_rows(links: Sequence[str]) -> dict[str, Row]:
    """Return name -> row, in the table's order.

    Args:
        links: the links of all rows but those that are about axes and regions; the first gives the axis rows' region.
    """
    links = tuple(links)
    off = (("weight", 0.0),)
    rows = [
        Row(UNLINKED, "no regularizer: the baseline", links, switches=off),
        Row("default", "the default recipe", links),
        Row("paper", "the paper's recipe, from scratch", links, "paper"),
        *_switch_rows("default", "paper", links),
        *_switch_rows("paper", "default", links),
        Row(CONTINUED, "unlinked, trained as long again", links, switches=off, baseline=CONTINUED, resume=UNLINKED),
        *(
            Row(
                f"{name}-from-converged",
                f"{name}, from the baseline's last snapshot",
                links,
                name,
                (("start", 0.0),),
                baseline=CONTINUED,
                resume=UNLINKED,
            )
            for name in ("default", "paper")
        ),
        *_region_rows(links),
    ]
    return {row.name: row for row in rows}


def _switch_rows(base: str, other: str, links: tuple[str, ...]) -> Iterator[Row]:
    """Yield the recipe `base` with each switch in which `other` differs set as there, one at a time."""
    known = {flag.replace("-", "_") for flag, _, _ in SWITCHES}
    mine, theirs = RECIPES[base].to_json(), RECIPES[other].to_json()
    changes = {name: theirs[name] for name in mine if mine[name] != theirs[name] and name in known}
    for name in changes:
        switches = _valid(base, name, changes)
        text = ", ".join(f"{key} {_text(value)}" for key, value in switches.items())
        yield Row(f"{base}-but-{name}", f"{base}, but {text} as in {other}", links, base, tuple(switches.items()))


def _valid(base: str, name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the switch, with the one other that must change with it where the recipe is no recipe without."""
    for companion in (name, *changes):
        switches = {key: changes[key] for key in dict.fromkeys((name, companion))}
        try:
            make_recipe(base, **switches)
        except LinkGANError:
            continue
        return switches
    return changes


def _region_rows(links: tuple[str, ...]) -> Iterator[Row]:
    """Yield the rows about axes and regions, which carry other links."""
    name, _, definition = links[0].partition("=")
    region = definition.partition("@")[2]
    for count in AXIS_COUNTS:
        yield Row(f"axes-{count}", f"{count} axes for one link", (f"{name}={count}@{region}",))
    for tiling, boxes in TILINGS.items():
        tiles = tuple(f"part{i}={_TILE_AXES}@{box}" for i, box in enumerate(boxes))
        yield Row(tiling, f"{tiling.replace('-', ' ')}, {_TILE_AXES} axes each", tiles)


def parse_row(text: str, links: Sequence[str]) -> Row:
    """Return a row of one's own from ``NAME=RECIPE[,SWITCH=VALUE]...``.

    Raises:
        LinkGANError: malformed, or an unknown recipe, switch or value.
    """
    name, _, definition = text.partition("=")
    recipe, *changes = definition.split(",")
    if not re.fullmatch(r"\w[\w.-]*", name) or not recipe:
        raise LinkGANError(
            f"row {text!r} is malformed; expected NAME=RECIPE,SWITCH=VALUE such as soft=default,weight=1"
        )
    switches = []
    for change in changes:
        switch, _, value = change.strip().partition("=")
        switch = switch.replace("-", "_")
        switches.append((switch, _typed(switch, value)))
    row = Row(name, f"{recipe}, but {', '.join(changes)}" if changes else recipe, tuple(links), recipe, tuple(switches))
    row.full_recipe()
    return row


def _typed(switch: str, text: str) -> Any:
    """Return a switch's value, of the type that it has in the default recipe."""
    known = Recipe().to_json()
    kind = type(known.get(switch, text))
    try:
        return {"true": True, "false": False}[text] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise LinkGANError(f"link {switch} is {text!r}; expected a value like {_text(known[switch])}") from error


def choose_rows(names: Sequence[str], links: Sequence[str], own: Sequence[str] = ()) -> list[Row]:
    """Return the named rows, and the rows they need or are compared with before them.

    Args:
        names: rows of the table; all if there are none and no `own` either.
        links: as `all_rows` takes them.
        own: further rows, as `parse_row` reads them.
    Raises:
        LinkGANError: an unknown name (lists the known ones), or a malformed row.
    """
    rows = all_rows(links)
    parsed = [parse_row(text, links) for text in own]
    for row in parsed:
        if row.name in rows:
            raise LinkGANError(f"there is a row '{row.name}' already; choose another name")
        rows[row.name] = row
    wanted: dict[str, Row] = {}

    def add(name: str) -> None:
        if name not in rows:
            raise LinkGANError(f"no row '{name}'; {suggest(name, rows)}")
        row = rows[name]
        for needed in (row.resume, row.baseline):
            if needed is not None and needed != name:
                add(needed)
        wanted[name] = row

    for name in [*names, *(row.name for row in parsed)] or rows:
        add(name)
    return list(wanted.values())
