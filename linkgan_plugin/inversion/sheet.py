"""A sheet of inversions: one row per photograph, with the photograph and its image after each stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..images import drawing, pixels
from ..images.pixels import Pixels

_GAP, _CAPTION, _HEADER = 8, 18, 28


class InversionRow(NamedTuple):
    """One photograph: its name, its pixels uint8 [H, W, 3], and for each stage an image and the note under it."""

    name: str
    target: Pixels
    stages: dict[str, tuple[Pixels, str]]


def inversion_sheet(rows: Sequence[InversionRow], *, cell: int = 160) -> Pixels:
    """Draw the sheet, uint8 [H, W, 3]; images are enlarged to about `cell` pixels a side, never reduced."""
    first = pixels.enlarge(rows[0].target[None], cell)[0]
    width, stages = first.shape[1], list(rows[0].stages)
    columns = [_column("photograph", [(row.target, row.name) for row in rows], cell, width)]
    columns += [
        _column(_TITLES.get(stage, stage), [row.stages[stage] for row in rows], cell, width) for stage in stages
    ]
    gap = np.full([columns[0].shape[0], _GAP, 3], 255, np.uint8)
    return np.concatenate([part for column in columns for part in (gap, column)] + [gap], axis=1)


_TITLES = {"w": "W", "w+": "W+", "restyle": "ReStyle"}


def _column(title: str, cells: Sequence[tuple[Pixels, str]], cell: int, width: int) -> Pixels:
    parts = [drawing.caption(title, width, _HEADER, size=16, bold=True)]
    for image, note in cells:
        parts += [pixels.enlarge(image[None], cell)[0], drawing.caption(note, width, _CAPTION, size=12)]
        parts.append(np.full([_GAP, width, 3], 255, np.uint8))
    return np.concatenate(parts)
