"""The rows of an ablation: named sets of switches, made from the two recipes and the given links."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import LinkGANError, suggest
from ..flags import SWITCHES
from ..recipes import RECIPES, Recipe, make_recipe

UNLINKED, CONTINUED, PRETRAINED = "unlinked", "unlinked-continued", "unlinked-pretrained"
# The paper's 8 ... 256 of 512 axes, by their share of a latent of 64, from 2 on.
AXIS_COUNTS = (2, 4, 8, 16, 32)
TILINGS = {
    "two-corners": ("box(0,0,0.5,0.5)", "box(0.5,0.5,1,1)"),
    "four-quadrants": ("box(0,0,0.5,0.5)", "box(0.5,0,1,0.5)", "box(0,0.5,0.5,1)", "box(0.5,0.5,1,1)"),
}
_TILE_AXES = 8


@dataclass(frozen=True)
class Row:
    """One row of the table: how its networks are trained, and which row they are compared with.

    Attributes:
        name: name of the row and of its folder.
        meaning: one line of description.
        recipe: name of the recipe it starts from.
        switches: the switches that differ from that recipe.
        links: ``NAME=AXES@REGION`` each.
        baseline: the row whose mean quality is 1.
        resume: the row whose last snapshot of the same seed it starts from; None = from scratch.
        basis: train the links in a basis that is found on the network it starts from.
        kimg: length of its runs in thousand images; None for that of the study.
        train: further options of `linkgan train`, such as another --cfg.
        network: the row whose networks it measures, with its own links, instead of training any; None = its own.
        published: ``LINK/METRIC`` or ``quality_ratio`` -> the paper's number.
    """

    name: str
    meaning: str
    links: tuple[str, ...]
    recipe: str = "default"
    switches: tuple[tuple[str, Any], ...] = ()
    baseline: str = UNLINKED
    resume: str | None = None
    basis: bool = False
    kimg: float | None = None
    train: tuple[str, ...] = ()
    network: str | None = None
    published: tuple[tuple[str, float], ...] = ()

    @property
    def link_names(self) -> list[str]:
        """The names of its links."""
        return [link.partition("=")[0].strip() for link in self.links]

    def full_recipe(self) -> Recipe:
        """Return all switches."""
        return make_recipe(self.recipe, **dict(self.switches))

    def arguments(self) -> list[str]:
        """Return the options of `linkgan train` that make this row."""
        # Links of a run that resumes from a trained network start at once by default, so `start` is always given.
        switches = {"start": self.full_recipe().start, **dict(self.switches)}
        flags = [f"--link-{name.replace('_', '-')}={_text(value)}" for name, value in switches.items()]
        links = [part for link in self.links for part in ("--link", link)]
        basis = ["--link-basis", "auto"] if self.basis else []
        return ["--loss=linkgan", *links, "--link-recipe", self.recipe, *flags, *basis, *self.train]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def all_rows(links: Sequence[str], pretrain: float | None = None) -> dict[str, Row]:
    """Return name -> row, in the table's order.

    Args:
        links: the links of all rows except those that vary axes and regions; the axis rows use the first one's region.
        pretrain: thousand images of the unlinked runs that resumed rows start from; None: they start from the baseline.
    """
    links = tuple(links)
    off = (("weight", 0.0),)
    start = UNLINKED if pretrain is None else PRETRAINED
    rows = [
        Row(UNLINKED, "no regularizer: the baseline", links, switches=off),
        Row("default", "the default recipe", links),
        Row("paper", "the paper's recipe, from scratch", links, "paper"),
        *_switch_rows("default", "paper", links),
        *_switch_rows("paper", "default", links),
        *starting_rows(links, pretrain),
        *(_resumed(name, links, start) for name in ("default", "paper")),
        *_photograph_rows(links, start),
        *_region_rows(links),
    ]
    return {row.name: row for row in rows}


def starting_rows(links: tuple[str, ...], pretrain: float | None) -> list[Row]:
    """Return the rows that resumed rows need: the trained network where it is not UNLINKED, and its continuation."""
    off = (("weight", 0.0),)
    start = Row(PRETRAINED, "no regularizer: what resumed rows start from", links, switches=off, baseline=PRETRAINED)
    resume = UNLINKED if pretrain is None else PRETRAINED
    meaning = f"{resume}, continued without links: the baseline of resumed rows"
    continued = Row(CONTINUED, meaning, links, switches=off, baseline=CONTINUED, resume=resume)
    return [continued] if pretrain is None else [replace(start, kimg=pretrain), continued]


def _resumed(recipe: str, links: tuple[str, ...], start: str) -> Row:
    """Return the row of a recipe from the last snapshot of the row `start`."""
    meaning = f"{recipe}, from the last snapshot of {start}"
    switches = (("start", 0.0),)
    return Row(f"{recipe}-from-converged", meaning, links, recipe, switches, baseline=CONTINUED, resume=start)


def _photograph_rows(links: tuple[str, ...], start: str) -> Iterator[Row]:
    """Yield the recipe `photographs` from a trained network in a basis, and without each thing that it adds."""
    name = "photographs"
    row = _resumed(name, links, start)
    row = replace(row, meaning=f"{row.meaning}, in a basis found there", basis=True)
    yield row
    yield replace(row, name=f"{name}-but-basis", meaning=f"{name}, but on the plain axes", basis=False)
    default, mine = RECIPES["default"].to_json(), RECIPES[name].to_json()
    for switch in (switch for switch in mine if mine[switch] != default[switch]):
        meaning = f"{name}, but {switch} {_text(default[switch])} as in default"
        switches = (*row.switches, (switch, default[switch]))
        yield replace(row, name=f"{name}-but-{switch}", meaning=meaning, switches=switches)


def _switch_rows(base: str, other: str, links: tuple[str, ...]) -> Iterator[Row]:
    """Yield the recipe `base` with one switch at a time set as in `other`, for each switch in which they differ."""
    known = {flag.replace("-", "_") for flag, _, _ in SWITCHES}
    mine, theirs = RECIPES[base].to_json(), RECIPES[other].to_json()
    changes = {name: theirs[name] for name in mine if mine[name] != theirs[name] and name in known}
    for name in changes:
        switches = _valid(base, name, changes)
        text = ", ".join(f"{key} {_text(value)}" for key, value in switches.items())
        yield Row(f"{base}-but-{name}", f"{base}, but {text} as in {other}", links, base, tuple(switches.items()))


def _valid(base: str, name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the switch, together with another one if the recipe would be invalid without it."""
    for companion in (name, *changes):
        switches = {key: changes[key] for key in dict.fromkeys((name, companion))}
        try:
            make_recipe(base, **switches)
        except LinkGANError:
            continue
        return switches
    return changes


def _region_rows(links: tuple[str, ...]) -> Iterator[Row]:
    """Yield the rows that vary axes and regions, which have links of their own."""
    name, _, definition = links[0].partition("=")
    region = definition.partition("@")[2]
    for count in AXIS_COUNTS:
        yield Row(f"axes-{count}", f"{count} axes for one link", (f"{name}={count}@{region}",))
    for tiling, boxes in TILINGS.items():
        tiles = tuple(f"part{i}={_TILE_AXES}@{box}" for i, box in enumerate(boxes))
        yield Row(tiling, f"{tiling.replace('-', ' ')}, {_TILE_AXES} axes each", tiles)


def parse_row(text: str, links: Sequence[str]) -> Row:
    """Return a user's row from ``NAME=RECIPE[,SWITCH=VALUE]...``.

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


def choose_rows(
    names: Sequence[str], links: Sequence[str], own: Sequence[str] = (), pretrain: float | None = None
) -> list[Row]:
    """Return the named rows, each after the rows it needs or is compared with.

    Args:
        names: rows of the table; all rows if neither `names` nor `own` are given.
        links: as in `all_rows`.
        own: further rows, as in `parse_row`.
        pretrain: as in `all_rows`.
    Raises:
        LinkGANError: an unknown name (lists the known ones), or a malformed row.
    """
    rows = all_rows(links, pretrain)
    parsed = [parse_row(text, links) for text in own]
    for row in parsed:
        if row.name in rows:
            raise LinkGANError(f"a row '{row.name}' exists already; choose another name")
        rows[row.name] = row
    return with_needed([*names, *(row.name for row in parsed)], rows)


def with_needed(names: Sequence[str], rows: Mapping[str, Row]) -> list[Row]:
    """Return the named rows of `rows`, each after the rows it needs or is compared with; all if none is named.

    Raises:
        LinkGANError: an unknown name (lists the known ones).
    """
    wanted: dict[str, Row] = {}

    def add(name: str) -> None:
        if name not in rows:
            raise LinkGANError(f"no row '{name}'; {suggest(name, rows)}")
        row = rows[name]
        for needed in (row.resume, row.network, row.baseline):
            if needed is not None and needed != name:
                add(needed)
        wanted[name] = row

    for name in names or rows:
        add(name)
    return list(wanted.values())
