"""Sheets and videos of edits along directions of a set: columns or frames are amounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from ..directions.directions import Directions
from ..editing.candidates import RegionGroup, along_set
from ..editing.editor import Editor
from ..editing.steps import JOIN, DirectionEdit
from ..errors import LinkGANError
from ..images.pixels import Pixels
from ..links import parse_region
from ..regions.base import Region
from .sheet import Shown, candidate_sheet, stack
from .video import HOLD, STEPS, before_and_after, glide


@dataclass(frozen=True)
class Track:
    """A direction of a set that was added to the editors under the name `of`."""

    of: str
    index: int
    directions: Directions

    @property
    def title(self) -> str:
        """The names of the set and the direction."""
        name = self.directions.title(self.index)
        return name if name.startswith(self.of) else f"{self.of}: {name}"

    @property
    def heading(self) -> str:
        """The title with the effect, and the share of the change that is in the region."""
        effect, inside = self.directions.effect, self.directions.inside
        if effect is None:
            return self.title
        text = f"{self.title}, effect {float(effect[self.index]):.2g}"
        if inside is None or not self.directions.region:
            return text
        return f"{text}, {100 * float(inside[self.index]):.0f} % in its region"

    @property
    def region(self) -> Region | None:
        """The region that the directions were found for, if it needs no file."""
        try:
            return parse_region(self.directions.region, _no_file) if self.directions.region else None
        except LinkGANError:
            return None

    def step(self, regions: Sequence[str], amount: float) -> DirectionEdit:
        """Return the edit of regions by an amount."""
        return DirectionEdit(JOIN.join(regions), self.index, amount, self.of)


def amounts_sheet(
    editors: Sequence[Editor],
    groups: Sequence[RegionGroup],
    tracks: Sequence[Track],
    amounts: Sequence[float],
    *,
    shown: Shown = Editor.image,
    cell: int = 96,
    tick: Callable[[], object] = lambda: None,
) -> Pixels:
    """Draw a sheet for each direction: one row per image, one column per amount, then the mean |difference|.

    The regions that may change are outlined on the differences; if these are all, the one that the directions are of.

    Args:
        editors: the images, with the sets of the tracks.
        groups: the regions that may change, side by side.
        tracks: the directions, one above the other.
        amounts: in standard deviations.
        shown: returns the image to draw for an editor, such as its pasted image.
        cell: approximate size of an image, in pixels.
        tick: called after each amount.
    Returns:
        uint8 [H, W, 3].
    """
    everything = set(editors[0].generator.spec.block_names)
    limited = any(set(group.regions) != everything for group in groups)
    sheets = [
        candidate_sheet(
            editors,
            groups,
            along_set(track.of, track.index, amounts),
            shown=shown,
            cell=cell,
            title=track.heading,
            region=None if limited else track.region,
            tick=tick,
        )
        for track in tracks
    ]
    return stack(sheets)


@torch.no_grad()
def slide_frames(
    editors: Sequence[Editor],
    groups: Sequence[RegionGroup],
    tracks: Sequence[Track],
    amounts: Sequence[float],
    *,
    shown: Shown = Editor.image,
    cell: int = 128,
    plain: bool = False,
) -> Iterator[Pixels]:
    """Yield frames [H, W, 3]: along each direction from 0 to the first amount, to the last one, and back to 0.

    Arguments are those of `amounts_sheet`; with `plain` only the edited images are drawn, at their own size.
    """
    still = torch.cat([shown(editor) for editor in editors])
    for group in groups:
        for track in tracks:
            here = 0.0
            for stop in _stops(amounts):
                for share in glide():
                    amount = here + share * (stop - here)
                    step = track.step(group.regions, amount)
                    moving = torch.cat([shown(editor.after(step)) for editor in editors])
                    yield before_and_after(f"{track.title}: {amount:+.1f}", still, moving, cell, plain=plain)
                here = stop


def count_slide_frames(groups: Sequence[RegionGroup], tracks: Sequence[Track], amounts: Sequence[float]) -> int:
    """Return the number of frames of `slide_frames`."""
    return len(groups) * len(tracks) * len(_stops(amounts)) * (STEPS + HOLD)


def _stops(amounts: Sequence[float]) -> list[float]:
    return [*dict.fromkeys([amounts[0], amounts[-1]]), 0.0]


def _no_file(name: str) -> bytes:
    raise LinkGANError(f"a region in a file of directions may not name the file '{name:.80}'")
