"""Edit sheets of 3D-aware generators: resampled regions from several cameras, in colour and depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..cameras.orbit import pivot_of, turned
from ..generators import LinkedGenerator
from ..images import drawing, pixels
from ..images.pixels import Pixels
from .turntable import ViewSettings

HEADER, GAP, OUTLINE = 26, 8, (255, 255, 255)


@torch.no_grad()
def view_sheet(
    generator: LinkedGenerator,
    seeds: Sequence[int],
    regions: Sequence[str],
    look: ViewSettings,
    *,
    donor_seed: int = 10_000,
    title: str = "",
) -> Pixels:
    """Draw a sheet: original | for each region, the same object with that region resampled; each from three cameras.

    Every object has three rows: colour, depth, and |difference| of colour to the original with the region outlined.

    Args:
        seeds: one object each.
        regions: link names or `rest`.
        donor_seed: seed of the sample that all regions take their blocks from.
    Returns:
        uint8 [H, W, 3].
    """
    pivot = pivot_of(generator.generator, look.front)
    cameras = [turned(look.front, side * look.yaw, 0.0, pivot) for side in (-1, 0, 1)]
    latents = generator.draw(seeds, look.front.expand(len(seeds), -1))
    donor = generator.draw([donor_seed], look.front).expand_as(latents)
    originals = [look.colour_and_depth(generator, latents, camera) for camera in cameras]
    columns = [_column("original", [(colour, depth, np.full_like(colour, 255)) for _, colour, depth in originals])]
    for region in regions:
        edited = generator.replace(latents, donor, generator.block(region))
        groups = []
        for camera, (before, _, _) in zip(cameras, originals, strict=True):
            after, colour, depth = look.colour_and_depth(generator, edited, camera)
            groups.append((colour, depth, _difference(generator, latents, camera, region, before, after, look)))
        columns.append(_column(region, groups))
    sheet = np.concatenate(columns, axis=1)[:, :-GAP]
    heading = [drawing.caption(title, sheet.shape[1], HEADER + 6, size=17, bold=True)] if title else []
    return np.concatenate([*heading, sheet])


def _difference(
    generator: LinkedGenerator,
    latents: Tensor,
    camera: Tensor,
    region: str,
    before: Tensor,
    after: Tensor,
    look: ViewSettings,
) -> Pixels:
    """Return cells of |after - before|, with the region in `before` outlined."""
    maps = pixels.enlarge(drawing.heat((after - before).abs().mean(dim=1)), look.cell)
    labels = camera.expand(len(latents), -1)
    image = generator.view(latents, look.front.expand(len(latents), -1), labels)
    row = generator.spec.block_names.index(region)
    masks = generator.spec.region_masks(generator.scene(image, labels))[row].expand(len(maps), -1, -1, -1)
    large = F.interpolate(masks, size=maps.shape[1:3], mode="bilinear", align_corners=False)[:, 0].cpu().numpy()
    return np.stack([drawing.outline(cell, mask, OUTLINE) for cell, mask in zip(maps, large, strict=True)])


def _column(name: str, groups: Sequence[Sequence[Pixels]]) -> Pixels:
    """Arrange cameras horizontally and, for each object, the kinds of cells [objects, h, w, 3] vertically."""
    cameras = [np.concatenate(np.stack(kinds, axis=1).reshape(-1, *kinds[0].shape[1:])) for kinds in groups]
    body = np.concatenate(cameras, axis=1)
    column = np.concatenate([drawing.caption(name, body.shape[1], HEADER), body])
    return np.pad(column, ((0, 0), (0, GAP), (0, 0)), constant_values=255)
