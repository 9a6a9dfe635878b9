"""Videos: regions that change one after another while the rest stands still."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch

from ..atomic import replacing
from ..generators import LinkedGenerator
from . import pictures
from .pictures import Pixels

FPS, STEPS, HOLD = 24, 14, 8


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
    """Yield frames [H, W, 3]: each region in turn glides to `changes` new samples and back to the original.

    Args:
        generators: heading -> network; one row of images each, the same seeds and donors.
        seeds: one column each. regions: the order in which they move.
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
            for amount in _glide():
                rows = []
                for name, generator in generators.items():
                    images = generator.interpolate(here[name], stops[name][stop], region, amount, labels[name]).images
                    rows.append(_row(name, images, cell))
                yield _frame(f"resampling: {region}", rows)
            for name, generator in generators.items():
                here[name] = generator.mix(here[name], stops[name][stop], region).latents


def _glide() -> list[float]:
    """Return amounts from 0 to 1 that start and end gently, and then hold."""
    ramp = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, STEPS))
    return [*ramp.tolist(), *[1.0] * HOLD]


def _row(name: str, images: torch.Tensor, cell: int) -> Pixels:
    body = np.concatenate(list(pictures.enlarge(pictures.to_pixels(images), cell)), axis=1)
    return np.concatenate([pictures.caption(name, body.shape[1], 24), body])


def _frame(text: str, rows: Sequence[Pixels]) -> Pixels:
    frame = np.concatenate([pictures.caption(text, rows[0].shape[1], 32, size=18, bold=True), *rows])
    # Video codecs halve the colour planes: both sides must be even.
    return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), constant_values=255)


def write_mp4(path: Path, frames: Iterable[Pixels], *, comment: str = "") -> None:
    """Write frames [H, W, 3] (all of one size) as H.264 at 24 frames per second, atomically.

    `comment` (the command that made it) is kept in the file's metadata.
    """
    iterator = iter(frames)
    first = next(iterator)
    height, width = first.shape[:2]
    with replacing(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            (width, height),
            fps=FPS,
            codec="libx264",
            pix_fmt_out="yuv420p",
            macro_block_size=2,
            quality=8,
            output_params=["-metadata", f"comment={comment}", "-movflags", "+faststart"],
        )
        writer.send(None)
        try:
            writer.send(np.ascontiguousarray(first))
            for frame in iterator:
                writer.send(np.ascontiguousarray(frame))
        finally:
            writer.close()
