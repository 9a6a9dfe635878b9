"""Edit sheets: one row per image, with the variants of each region and a map of the changes; contact sheets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..editing.candidates import EditCandidate, RegionGroup, resamples
from ..editing.editor import Editor
from ..generators import LinkedGenerator
from ..images import drawing, pixels
from ..images.pixels import Pixels
from ..regions.base import Region

GAP, HEADER, NOTE, OUTLINE = 8, 26, 18, (255, 255, 255)

Shown = Callable[[Editor], Tensor]  # editor -> image to draw, [1, C, H, W]


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
    """Draw the `candidate_sheet` of seeds whose regions are resampled.

    Column v of every region uses the sample of seed ``donor_seed + v``, the same for all rows and regions.

    Args:
        generator: the network with its spec.
        seeds: one row each.
        regions: link names, `rest`, or `all` for every axis.
        cell: approximate size of an image, in pixels.
    Returns:
        uint8 [H, W, 3].
    """
    editors = [Editor.of_seed(generator, seed) for seed in seeds]
    groups = [RegionGroup.read(region, generator.spec) for region in regions]
    candidates = resamples(range(donor_seed, donor_seed + variants))
    return candidate_sheet(editors, groups, candidates, cell=cell, title=title, notes=False)


def candidate_sheet(
    editors: Sequence[Editor],
    groups: Sequence[RegionGroup],
    candidates: Sequence[EditCandidate],
    *,
    shown: Shown = Editor.image,
    cell: int = 96,
    title: str | None = None,
    notes: bool = True,
    region: Region | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Pixels:
    """Draw a sheet: image | for each group of regions: every candidate and their mean |difference| to the image.

    The outline of the regions is drawn on the difference map. Inverted photographs are shown in the first column.

    Args:
        editors: one row each.
        groups: regions that are edited together.
        candidates: one column each, in every group.
        shown: returns the image to draw for an editor, such as its pasted image; differences use these images.
        cell: approximate size of an image, in pixels.
        notes: write the names of the candidates over their columns.
        region: outlined on the difference maps instead of the groups' own regions.
        tick: called after each candidate.
    Returns:
        uint8 [H, W, 3].
    """
    before = torch.cat([shown(editor) for editor in editors])
    columns = [_originals(editors, cell, notes)]
    for group in groups:
        columns_of_trials, difference = [], torch.zeros_like(before[:, 0])
        for candidate in candidates:
            after = torch.cat([shown(editor.after(candidate.of(editor, group.regions))) for editor in editors])
            difference += (after - before).abs().mean(dim=1) / len(candidates)
            columns_of_trials.append(_cells(after, cell))
            tick()
        maps = _maps(difference, editors, group, cell, region)
        names = [*(candidate.name for candidate in candidates), "difference"] if notes else []
        columns.append(_column(group.name, [*columns_of_trials, maps], names))
    return _titled(_beside(columns), title)


def contact_sheet(
    editor: Editor,
    group: RegionGroup,
    candidates: Sequence[EditCandidate],
    *,
    shown: Shown = Editor.image,
    cell: int = 96,
    title: str | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Pixels:
    """Draw a grid of one image and every candidate for a group of its regions, each with its name.

    The map of the mean |difference| is last. Arguments are those of `candidate_sheet`.

    Returns:
        uint8 [H, W, 3].
    """
    before = shown(editor)
    entries = [("original", editor.image())]
    if editor.photograph is not None:
        entries = [("photograph", editor.photograph), ("projection", editor.image())]
    difference = torch.zeros_like(before[:, 0])
    for candidate in candidates:
        after = shown(editor.after(candidate.of(editor, group.regions)))
        difference += (after - before).abs().mean(dim=1) / len(candidates)
        entries.append((candidate.name, after))
        tick()
    cells = [(name, _cells(image, cell)[0]) for name, image in entries]
    cells.append(("mean |difference|", _maps(difference, [editor], group, cell)[0]))
    return _titled(_grid(cells), title)


def _grid(cells: Sequence[tuple[str, Pixels]]) -> Pixels:
    """Arrange images of one size in a roughly square grid, each below its name."""
    across = math.ceil(math.sqrt(len(cells)))
    drawn = [np.concatenate([drawing.caption(name, cell.shape[1], NOTE, size=12), cell]) for name, cell in cells]
    blank = np.full_like(drawn[0], 255)
    drawn += [blank] * (-len(drawn) % across)
    rows = [np.concatenate(_spaced(drawn[i : i + across], axis=1), axis=1) for i in range(0, len(drawn), across)]
    return np.concatenate(_spaced(rows, axis=0))


def _originals(editors: Sequence[Editor], cell: int, notes: bool) -> Pixels:
    images = [_cells(torch.cat([editor.image() for editor in editors]), cell)]
    if all(editor.photograph is None for editor in editors):
        return _column("original", images, [""] if notes else [])
    photographs = [editor.image() if editor.photograph is None else editor.photograph for editor in editors]
    images.insert(0, _cells(torch.cat(photographs), cell))
    return _column("original", images, ["photograph", "projection"])


def _maps(
    difference: Tensor, editors: Sequence[Editor], group: RegionGroup, cell: int, region: Region | None = None
) -> Pixels:
    """Draw differences [N, H, W] with the outlines of the regions on them, unless these are all regions."""
    maps = pixels.enlarge(drawing.heat(difference), cell)
    if region is None and set(group.regions) == set(editors[0].generator.spec.block_names):
        return maps
    rows = []
    for image, editor in zip(maps, editors, strict=True):
        for mask in _outlined(editor, group, region):
            image = drawing.outline(image, mask.float().cpu().numpy(), OUTLINE)
        rows.append(image)
    return np.stack(rows)


def _outlined(editor: Editor, group: RegionGroup, region: Region | None) -> list[Tensor]:
    """Return the masks [H, W] to outline on an image."""
    if region is None:
        masks = editor.masks()
        return [masks[name] for name in group.regions]
    return [region.mask(editor.generator.scene(editor.rendering(), editor.labels))[0, 0]]


def _cells(images: Tensor, cell: int) -> Pixels:
    return pixels.enlarge(pixels.to_pixels(images), cell)


def _column(name: str, groups: Sequence[Pixels], notes: Sequence[str] = ()) -> Pixels:
    """Stack [rows, h, w, 3] cells: rows vertically, groups horizontally, with a heading and a note over each group."""
    body = np.concatenate([np.concatenate(list(cells), axis=0) for cells in groups], axis=1)
    parts = [drawing.caption(name, body.shape[1], HEADER)]
    if notes:
        width = groups[0].shape[2]
        parts.append(np.concatenate([drawing.caption(note, width, NOTE, size=12) for note in notes], axis=1))
    return np.concatenate([*parts, body])


def _beside(columns: Sequence[Pixels]) -> Pixels:
    return np.concatenate(_spaced(columns, axis=1), axis=1)


def _spaced(parts: Sequence[Pixels], axis: int) -> list[Pixels]:
    """Return the parts with white gaps between them along an axis."""
    shape = list(parts[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 255, np.uint8)
    return [piece for part in parts for piece in (part, gap)][:-1]


def _titled(sheet: Pixels, title: str | None) -> Pixels:
    if not title:
        return sheet
    return np.concatenate([drawing.caption(title, sheet.shape[1], HEADER + 6, size=17, bold=True), sheet])


def stack(sheets: Sequence[Pixels]) -> Pixels:
    """Stack images [H, W, 3] vertically on white, each centred."""
    width = max(sheet.shape[1] for sheet in sheets)
    rows = []
    for sheet in sheets:
        room = width - sheet.shape[1]
        rows.append(np.pad(sheet, ((0, 2 * GAP), (room // 2, room - room // 2), (0, 0)), constant_values=255))
    return np.concatenate(rows)[: -2 * GAP]
