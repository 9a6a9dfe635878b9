"""Edit sheets: one row per sample; per region some resampled variants and the map of what they changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..generators import LinkedGenerator
from . import pictures
from .pictures import Pixels

GAP, HEADER, OUTLINE = 8, 26, (255, 255, 255)


@torch.no_grad()
def edit_sheet(
    generator: LinkedGenerator,
    seeds: Sequence[int],
    regions: Sequence[str],
    *,
    variants: int = 4,
    donor_seed: int = 10_000,
    cell: int = 96,
    title: str | None = None,
) -> Pixels:
    """Draw a sheet: original | for each region: `variants` resampled images and their mean |difference|.

    Column v of every region takes the donor of seed ``donor_seed + v``, the same for all rows and regions. The
    outline of the region is drawn on the difference map.

    Args:
        generator: the network with its spec. seeds: one row each. regions: link names, `rest`, or `all` for every axis.
        cell: about how large an image is drawn, in pixels.
    Returns:
        uint8 [H, W, 3].
    """
    labels = generator.labels(seeds)
    latents = generator.draw(seeds, labels)
    picture = generator.picture(latents, labels)
    originals = picture.image
    donors = generator.draw(range(donor_seed, donor_seed + variants))
    columns = [_column("original", [pictures.enlarge(pictures.to_pixels(originals), cell)])]
    masks = generator.spec.region_masks(generator.scene(picture, labels)).cpu()
    for region in regions:
        names = list(generator.spec.block_names) if region == "all" else [region]
        edits = [generator.mix(latents, donor.expand_as(latents), names, labels).images for donor in donors]
        difference = torch.stack([(edit - originals).abs().mean(dim=1) for edit in edits]).mean(dim=0)
        maps = pictures.enlarge(pictures.heat(difference), cell)
        if region != "all":
            rows = masks[generator.spec.block_names.index(region)].expand(len(seeds), -1, -1, -1)
            maps = np.stack([pictures.outline(m, r[0].numpy(), OUTLINE) for m, r in zip(maps, rows, strict=True)])
        cells = [pictures.enlarge(pictures.to_pixels(edit), cell) for edit in edits]
        columns.append(_column("everything" if region == "all" else region, [*cells, maps]))
    sheet = _beside(columns)
    if title:
        sheet = np.concatenate([pictures.caption(title, sheet.shape[1], HEADER + 6, size=17, bold=True), sheet])
    return sheet


def _column(name: str, groups: Sequence[Pixels]) -> Pixels:
    """Stack [rows, h, w, 3] cells: rows downwards, groups side by side, with a heading."""
    body = np.concatenate([np.concatenate(list(cells), axis=0) for cells in groups], axis=1)
    return np.concatenate([pictures.caption(name, body.shape[1], HEADER), body])


def _beside(columns: Sequence[Pixels]) -> Pixels:
    gap = np.full([columns[0].shape[0], GAP, 3], 255, np.uint8)
    parts = [part for column in columns for part in (column, gap)]
    return np.concatenate(parts[:-1], axis=1)


def stack(sheets: Sequence[Pixels]) -> Pixels:
    """Put pictures under one another on white, each centred."""
    width = max(sheet.shape[1] for sheet in sheets)
    rows = []
    for sheet in sheets:
        room = width - sheet.shape[1]
        rows.append(np.pad(sheet, ((0, 2 * GAP), (room // 2, room - room // 2), (0, 0)), constant_values=255))
    return np.concatenate(rows)[: -2 * GAP]
