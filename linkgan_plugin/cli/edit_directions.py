"""`linkgan edit --directions FILE`: its options, the directions that they choose, and what it writes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import LinkGANError, suggest
from .params import with_options

if TYPE_CHECKING:
    from ..directions.directions import Directions
    from ..editing.candidates import RegionGroup
    from ..editing.editor import Editor
    from ..links import LinkSpec
    from ..report.amounts import Track
    from .edit_request import EditRequest

F = TypeVar("F", bound=Callable[..., Any])
MOST_AMOUNTS = 1000
# Options that have no effect with directions of a file, and why.
UNUSED = {
    "strength": "--amount says how far an edit goes",
    "interpolate": "--amount gives the steps in between",
    "contact": "the sheet has one row for each image and direction",
}


class CountOrFile(click.ParamType):
    """A number of a region's own directions, or a file of directions."""

    name = "n|file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Path:
        """Return the number or the path."""
        if str(value).isdecimal() and int(value) > 0:
            return int(value)
        if Path(value).is_file():
            return Path(value)
        return self.fail(
            f"{value!r} is neither a number of directions from 1 nor a file; make one with `linkgan directions`",
            param,
            ctx,
        )


class Amounts(click.ParamType):
    """A number, or numbers evenly spaced from a first to a last one: ``-3:3:7``."""

    name = "first:last:count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        """Return the numbers."""
        if isinstance(value, list):
            return value
        parts = str(value).split(":")
        try:
            if len(parts) == 1:
                return [_finite(parts[0])]
            first, last, count = _finite(parts[0]), _finite(parts[1]), int(parts[2])
            if len(parts) != 3 or not 2 <= count <= MOST_AMOUNTS:
                raise ValueError
        except (ValueError, IndexError):
            return self.fail(
                f"{value!r}: expected one number such as 2, or first:last:count such as -3:3:7 (count 2 to "
                f"{MOST_AMOUNTS})",
                param,
                ctx,
            )
        return [first + (last - first) * step / (count - 1) for step in range(count)]


def direction_options(command: F) -> F:
    """Add --directions, --direction and --amount to a command, as `directions`, `direction` and `amount`."""
    options = [
        click.option(
            "--directions",
            type=CountOrFile(),
            multiple=True,
            help="File of directions to move along; repeatable. A number N: the region's N strongest own directions.",
        ),
        click.option(
            "--direction",
            metavar="K",
            multiple=True,
            help="Direction of the files, by its number or name; repeatable.  [default: all]",
        ),
        click.option(
            "--amount",
            type=Amounts(),
            default="-3:3:7",
            show_default=True,
            help="Standard deviations along a direction of a file: one number, or the columns of the sheet.",
        ),
    ]
    return with_options(command, options)


def check_directions(asked: EditRequest, given: Mapping[str, str]) -> None:
    """Reject what cannot be combined with directions of files, or needs them.

    Args:
        asked: the command line.
        given: what was typed, as `typed_flags` returns it.
    Raises:
        click.UsageError: names the options.
    """
    if not asked.files:
        if len(asked.directions) > 1:
            raise click.UsageError("--directions N is the number of a region's own directions; give it once")
        for name in ("direction", "amount"):
            if name in given:
                raise click.UsageError(f"{given[name]} chooses from a file of directions; add --directions FILE")
        return
    if asked.strongest is not None:
        raise click.UsageError(
            "--directions is either a number of the region's own directions, or files; give one kind of them"
        )
    for name, reason in UNUSED.items():
        if name in given:
            raise click.UsageError(f"{given[name]} and --directions FILE do not go together: {reason}")
    counts = [len(part) for part in (asked.files, asked.direction, asked.amount)]
    if asked.plain and asked.suffix == ".png" and counts != [1, 1, 1]:
        raise click.UsageError("--plain writes one edit as .png; give one --directions FILE, --direction and --amount")


def warn_of_others(sets: Mapping[str, Directions], snapshot: Path) -> None:
    """Print a warning for directions that were found for another network file."""
    from ..checksum import file_digest

    known = {name: found.network for name, found in sets.items() if found.network}
    digest = file_digest(snapshot) if known else ""
    for name, network in known.items():
        if network != digest:
            click.echo(f"Warning: {name} was found for another network file; it may do something else here", err=True)


def groups_of(regions: Sequence[str], spec: LinkSpec) -> list[RegionGroup]:
    """Return the groups of blocks that may move; all blocks for ().

    Raises:
        click.UsageError: a network without links.
        LinkGANError: an unknown region.
    """
    from ..editing.candidates import RegionGroup

    if regions and not spec.links:
        raise click.UsageError(
            f"--region {regions[0]}: it limits the axes that move to those of links, and this network has no links; "
            "leave it out, or give links with --link NAME=AXES@REGION"
        )
    return [RegionGroup.read(region, spec) for region in regions or ("all",)]


def chosen(sets: Mapping[str, Directions], wanted: Sequence[str]) -> list[Track]:
    """Return the directions that --direction names, of every file; all for ().

    Raises:
        LinkGANError: a number that a file does not have, or a name that no file has.
    """
    from ..report.amounts import Track

    tracks = []
    for name, found in sets.items():
        numbers = [_index(found, text) for text in wanted] if wanted else range(len(found))
        tracks += [Track(name, number, found) for number in numbers if number is not None]
    names = {name for found in sets.values() for name in found.names if name}
    for text in wanted:
        if not text.isdecimal() and text not in names:
            raise LinkGANError(f"no direction is called '{text:.80}'; {suggest(text, names)}; or give its number")
    return tracks


def _index(directions: Directions, text: str) -> int | None:
    if not text.isdecimal():
        return directions.names.index(text) if text in directions.names else None
    directions.check_index(int(text))
    return int(text)


def write_along(
    asked: EditRequest,
    editors: list[Editor],
    groups: list[RegionGroup],
    tracks: list[Track],
    metadata: dict[str, str],
) -> None:
    """Write a sheet, an image or a video of edits along directions, and print its name."""
    from tqdm import tqdm

    from ..images.pixels import to_pixels
    from ..images.png import save_png
    from ..report.amounts import amounts_sheet, count_slide_frames, slide_frames
    from ..report.video import write_video

    if asked.is_video:
        total = count_slide_frames(groups, tracks, asked.amount)
        frames = slide_frames(
            editors, groups, tracks, asked.amount, shown=asked.shown, cell=asked.cell, plain=asked.plain
        )
        write_video(asked.out, tqdm(frames, "frames", total, disable=None), metadata)
        click.echo(f"wrote {asked.out} ({total} frames)")
        return
    if asked.plain:
        editor = editors[0].after(tracks[0].step(groups[0].regions, asked.amount[0]))
        drawn = to_pixels(asked.shown(editor))[0]
        metadata = {**metadata, "editor": json.dumps(editor.to_json(), allow_nan=False)}
    else:
        with tqdm(total=len(groups) * len(tracks) * len(asked.amount), desc="edits", disable=None) as bar:
            drawn = amounts_sheet(
                editors, groups, tracks, asked.amount, shown=asked.shown, cell=asked.cell, tick=bar.update
            )
    save_png(asked.out, drawn, metadata)
    click.echo(f"wrote {asked.out} ({drawn.shape[1]} x {drawn.shape[0]})")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
