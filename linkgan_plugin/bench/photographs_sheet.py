"""Sheets of `linkgan bench photographs`: inversions and edits by every row, and regions of other photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from ..images import drawing, pixels
from ..images.pixels import Pixels

_CELL, _NOTE = 96, 18


def sheet(photographs: Tensor, rows: Sequence[tuple[str, Mapping[str, np.ndarray]]]) -> Pixels:
    """Draw photographs below each other: reconstructions, the first edit, the pasted one, and what the edit changed.

    Args:
        photographs: [K, C, H, W] in [-1, 1].
        rows: title and images of `Collected.shown` of each way to invert: the columns.
    Returns:
        uint8 [H, W, 3].
    """
    target = pixels.enlarge(pixels.to_pixels(photographs), _CELL)
    side = target.shape[2]
    columns = []
    for title, images in rows:
        parts = [pixels.enlarge(images[name], _CELL) for name in ("reconstruction", "edited", "pasted")]
        parts.append(pixels.enlarge(drawing.heat(Tensor(images["change"])), _CELL))
        blocks = [np.concatenate([part[row] for part in parts]) for row in range(len(target))]
        columns.append(np.concatenate([drawing.caption(title, side, _NOTE, size=12), *blocks]))
    notes = ("reconstruction", "edited", "pasted", "difference")
    names = [drawing.caption(note, side, side, size=12) for note in notes]
    blank = np.full([3 * side, side, 3], 255, np.uint8)
    first = [drawing.caption("photograph", side, _NOTE, size=12)]
    for image in target:
        first += [image, blank]
    labels = np.concatenate([np.full([_NOTE, side, 3], 255, np.uint8), *(names * len(target))])
    return np.concatenate([np.concatenate(first), labels, *columns], axis=1)


def pair_sheet(photographs: Tensor, names: Sequence[str], ways: Sequence[tuple[str, Sequence[Pixels]]]) -> Pixels:
    """Draw pairs below each other: source, reference, and the result of every way for every name.

    Args:
        photographs: [N, C, H, W] in [-1, 1]; the reference of each is the next one.
        names: of the results of a pair, such as a link and pasted.
        ways: title and results of each way, uint8 [H, W, 3], those of a pair after each other.
    Returns:
        uint8 [H, W, 3].
    """
    count = len(ways[0][1]) // len(names)
    drawn = pixels.enlarge(pixels.to_pixels(photographs), _CELL)
    columns = [("source", drawn[:count]), ("reference", np.roll(drawn, -1, axis=0)[:count])]
    for place, name in enumerate(names):
        columns += [
            (f"{title}: {name}", pixels.enlarge(np.stack(results[place :: len(names)]), _CELL))
            for title, results in ways
        ]
    heads = [drawing.caption(title, drawn.shape[2], _NOTE, size=12) for title, _ in columns]
    body = [np.concatenate(list(images)) for _, images in columns]
    return np.concatenate([np.concatenate(heads, axis=1), np.concatenate(body, axis=1)])
