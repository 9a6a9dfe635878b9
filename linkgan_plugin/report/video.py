"""Videos of regions that change one after another while the rest stays constant; MP4 and GIF files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from ..editing.candidates import EditCandidate, RegionGroup
from ..editing.editor import Editor
from ..editing.steps import Transplant
from ..generators import LinkedGenerator
from ..images import drawing, pixels
from ..images.pixels import Pixels
from ..images.video_writer import FPS, even_sides, write_frames
from .provenance import as_comment
from .sheet import Shown

STEPS, HOLD = 14, 8
NARROWEST = 256  # pixels, room for a heading


@torch.no_grad()
def resample_frames(
    generators: dict[str, LinkedGenerator],
    seeds: Sequence[int],
    regions: Sequence[str],
    *,
    changes: int = 3,
    donor_seed: int = 20_000,
    cell: int = 128,
) -> Iterator[Pixels]:
    """Yield frames [H, W, 3]: one region after another is interpolated to `changes` new samples and back.

    Args:
        generators: heading -> network; one row of images each, with the same seeds and donors.
        seeds: one column each.
        regions: regions in the order in which they change.
    """
    labels = {name: generator.labels(seeds) for name, generator in generators.items()}
    starts = {name: generator.draw(seeds, labels[name]) for name, generator in generators.items()}
    for number, region in enumerate(regions):
        donor_seeds = range(donor_seed + number * changes, donor_seed + (number + 1) * changes)
        stops = {
            name: [*(generator.draw([s]).expand_as(starts[name]) for s in donor_seeds), starts[name]]
            for name, generator in generators.items()
        }
        here = dict(starts)
        for stop in range(changes + 1):
            for amount in glide():
                rows = []
                for name, generator in generators.items():
                    images = generator.interpolate(here[name], stops[name][stop], region, amount, labels[name]).images
                    rows.append(_row(name, images, cell))
                yield _frame(f"resampling: {region}", rows)
            for name, generator in generators.items():
                here[name] = generator.mix(here[name], stops[name][stop], region).latents


def trial_frames(
    editors: Sequence[Editor],
    groups: Sequence[RegionGroup],
    candidates: Sequence[EditCandidate],
    *,
    shown: Shown = Editor.image,
    cell: int = 128,
    plain: bool = False,
) -> Iterator[Pixels]:
    """Yield frames [H, W, 3]: each group of regions is interpolated from candidate to candidate and back.

    The original images are at the top, the edited ones below.

    Args:
        editors: one column each.
        groups: regions that are edited together, one group after another.
        candidates: the edits.
        shown: returns the image to draw for an editor, such as its pasted image.
        cell: approximate size of an image, in pixels.
        plain: only the edited images, at their own size.
    """
    still = torch.cat([shown(editor) for editor in editors])
    for group in groups:
        here = [editor.latents for editor in editors]
        for candidate in [*candidates, None]:
            there = [
                editor.after(candidate.of(editor, group.regions)).latents if candidate else editor.latents
                for editor in editors
            ]
            for amount in glide():
                on_the_way = zip(editors, here, there, strict=True)
                steps = [(e, Transplant(group.regions, torch.lerp(a, b, amount))) for e, a, b in on_the_way]
                moving = torch.cat([shown(editor.after(step)) for editor, step in steps])
                name = candidate.name if candidate else "back"
                yield before_and_after(f"{group.name}: {name}", still, moving, cell, plain=plain)
            here = there


def count_frames(groups: Sequence[RegionGroup], candidates: Sequence[EditCandidate]) -> int:
    """Return the number of frames of `trial_frames`."""
    return len(groups) * (len(candidates) + 1) * (STEPS + HOLD)


def glide() -> list[float]:
    """Return amounts from 0 to 1 with a smooth start and end, then 1 for the frames to hold."""
    ramp = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, STEPS))
    return [*ramp.tolist(), *[1.0] * HOLD]


def before_and_after(text: str, before: torch.Tensor, after: torch.Tensor, cell: int, *, plain: bool = False) -> Pixels:
    """Draw a frame of images [N, C, H, W] before and after an edit, below a heading: [H, W, 3].

    Args:
        text: the heading.
        before: [N, C, H, W] in [-1, 1].
        after: as `before`.
        cell: approximate size of an image, in pixels.
        plain: only the images after, at their own size.
    """
    if plain:
        return even_sides(np.concatenate(list(pixels.to_pixels(after)), axis=1))
    return _frame(text, [_row("before", before, cell), _row("after", after, cell)])


def _row(name: str, images: torch.Tensor, cell: int) -> Pixels:
    """Draw images [N, C, H, W] side by side, enlarged to about `cell` pixels, below their name: [h, w, 3]."""
    body = np.concatenate(list(pixels.enlarge(pixels.to_pixels(images), cell)), axis=1)
    return np.concatenate([drawing.caption(name, body.shape[1], 24), body])


def _frame(text: str, rows: Sequence[Pixels]) -> Pixels:
    """Stack rows [h, w, 3] of one width below a heading, with even sides: [H, W, 3]."""
    room = max(0, NARROWEST - rows[0].shape[1])
    rows = [np.pad(row, ((0, 0), (room // 2, room - room // 2), (0, 0)), constant_values=255) for row in rows]
    return even_sides(np.concatenate([drawing.caption(text, rows[0].shape[1], 32, size=18, bold=True), *rows]))


def write_video(path: Path, frames: Iterable[Pixels], metadata: Mapping[str, str], fps: Fraction = FPS) -> None:
    """Write frames [H, W, 3] as .mp4 or .gif, by the suffix of `path`, with `metadata` as JSON in the comment."""
    write_frames(path, frames, comment=as_comment(metadata), fps=fps)
