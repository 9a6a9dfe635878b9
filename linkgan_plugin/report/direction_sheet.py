"""Direction sheets: each direction at several amounts on the same images, with a map of the changes and its scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..directions.directions import Directions
from ..directions.find import moved_image
from ..generators import LinkedGenerator
from ..images import drawing, pixels
from ..images.pixels import Pixels
from ..regions.base import Region
from .sheet import HEADER, NOTE, OUTLINE, stack

AMOUNTS = (-2.0, -1.0, 0.0, 1.0, 2.0)


@torch.no_grad()
def direction_sheet(
    generator: LinkedGenerator,
    directions: Directions,
    seeds: Sequence[int],
    *,
    region: Region | None = None,
    cell: int = 96,
    title: str | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Pixels:
    """Draw every direction at `AMOUNTS` standard deviations, one row per seed, with the mean |difference| to amount 0.

    Args:
        generator: the network.
        directions: of it.
        seeds: of the images.
        region: outlined on the differences; None for none.
        cell: approximate size of an image, in pixels.
        title: above the sheet.
        tick: called after each direction.
    Returns:
        uint8 [H, W, 3].
    """
    drawn = []
    for index in range(len(directions)):
        rows = [_row(generator, directions, index, seed, region, cell) for seed in seeds]
        drawn.append(_headed(np.concatenate(rows), label(directions, index)))
        tick()
    if title:
        drawn.insert(0, drawing.caption(title, drawn[0].shape[1], HEADER + 6, size=17, bold=True))
    return stack(drawn)


def label(directions: Directions, index: int) -> str:
    """Return the title of a direction with its effect and, if it has a region, its leak and the share inside."""
    return ", ".join([directions.title(index), *(f"{name} {value}" for name, value in scores(directions, index))])


def scores(directions: Directions, index: int) -> list[tuple[str, str]]:
    """Return the names and values of a direction's scores; only the effect without a region."""
    if directions.effect is None:
        return []
    effect = float(directions.effect[index])
    found = [("effect", f"{effect:.3g}")]
    if directions.leak is None or directions.inside is None or not directions.region:
        return found
    leak, inside = float(directions.leak[index]), float(directions.inside[index])
    return [*found, ("leak", f"{leak:.3g}"), ("inside", f"{100 * inside:.0f} %")]


def _row(
    generator: LinkedGenerator, directions: Directions, index: int, seed: int, region: Region | None, cell: int
) -> Pixels:
    """Draw one image at all amounts, and the differences."""
    labels = generator.labels([seed])
    latents = generator.draw([seed], labels)
    before = generator.rendering(latents, labels)
    images = [
        before.image if amount == 0 else moved_image(generator, directions, index, amount, latents, labels)
        for amount in AMOUNTS
    ]
    change = torch.stack([(image - before.image).abs().mean(dim=1) for image in images]).sum(dim=0)
    heat = pixels.enlarge(drawing.heat(change / (len(AMOUNTS) - 1)), cell)[0]
    if region is not None:
        mask: Tensor = region.mask(generator.scene(before, labels))[0, 0]
        heat = drawing.outline(heat, mask.float().cpu().numpy(), OUTLINE)
    return np.concatenate([*(pixels.enlarge(pixels.to_pixels(image), cell)[0] for image in images), heat], axis=1)


def _headed(body: Pixels, text: str) -> Pixels:
    names = [*(f"{amount:+g}" if amount else "0" for amount in AMOUNTS), "difference"]
    width = body.shape[1] // len(names)
    notes = [drawing.caption(name, width, NOTE, size=12) for name in names]
    return np.concatenate([drawing.caption(text, body.shape[1], HEADER), np.concatenate(notes, axis=1), body])
