"""Fixed boxes in place of classes: boxes of the same mean area that cover as much of the classes as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import LinkGANError

Floats = npt.NDArray[np.float64]
_DIGITS = 6


@dataclass(frozen=True)
class _Candidates:
    """All boxes of one class's area: edges x0, y0, x1, y1 float64 [B, 4] and pixels covered [B], best first."""

    edges: Floats
    covered: Floats


def best_boxes(means: Floats) -> list[tuple[float, float, float, float]]:
    """Return one box per class, x0, y0, x1, y1 in fractions of the image, without overlaps.

    Left, top and right edges are at borders between pixels; the bottom edge follows from the area of the class. The
    boxes are those that together cover most of the classes' pixels.

    Args:
        means: [K, S, S] in [0, 1], how often each pixel is of each class.
    Raises:
        LinkGANError: a class that is in no image, or classes too large for boxes without overlap.
    """
    found = _best([_candidates(mean) for mean in means], (), 0.0, -1.0)
    if found is None:
        areas = ", ".join(f"{mean.mean():.0%}" for mean in means)
        raise LinkGANError(f"boxes of {areas} of the image do not fit without overlap; expected smaller classes")
    return [tuple(box.round(_DIGITS).tolist()) for box in found[1]]


def _candidates(mean: Floats) -> _Candidates:
    side = len(mean)
    area = float(mean.sum())
    if area == 0:
        raise LinkGANError("a class is in no image; expected label maps in which every class occurs")
    # Sums over [0, y) x [0, x), interpolated linearly, so boxes may end within a pixel.
    sums = np.zeros([side + 2, side + 1])
    sums[1:-1, 1:] = mean.cumsum(axis=0).cumsum(axis=1)
    sums[-1] = sums[-2]

    def above(y: Floats, x: npt.NDArray[np.int64]) -> Floats:
        row = np.floor(y).astype(int)
        return sums[row, x] + (y - row) * (sums[row + 1, x] - sums[row, x])

    x0, x1, y0 = (
        corner.ravel()
        for corner in np.meshgrid(np.arange(side), np.arange(1, side + 1), np.arange(side), indexing="ij")
    )
    inside = (x1 > x0) & (y0 + area / np.maximum(x1 - x0, 1) <= side + 1e-9)
    x0, x1, y0 = x0[inside], x1[inside], y0[inside].astype(float)
    y1 = np.minimum(y0 + area / (x1 - x0), side)
    covered = above(y1, x1) - above(y0, x1) - above(y1, x0) + above(y0, x0)
    order = np.argsort(-covered, kind="stable")
    return _Candidates(np.stack([x0, y0, x1, y1], axis=1)[order] / side, covered[order])


def _best(
    classes: Sequence[_Candidates], taken: tuple[Floats, ...], covered: float, enough: float
) -> tuple[float, tuple[Floats, ...]] | None:
    """Return the covered pixels and the boxes, those `taken` first; None if none cover more than `enough`."""
    if not classes:
        return (covered, taken) if covered > enough else None
    free = np.ones(len(classes[0].edges), dtype=bool)
    for box in taken:
        free &= ~_overlap(classes[0].edges, box)
    hope = sum(float(others.covered[0]) for others in classes[1:])
    best = None
    for edges, gain in zip(classes[0].edges[free], classes[0].covered[free], strict=True):
        if covered + gain + hope <= enough:
            break
        found = _best(classes[1:], (*taken, edges), covered + float(gain), enough)
        if found is not None:
            best, enough = found, found[0]
    return best


def _overlap(boxes: Floats, box: Floats) -> npt.NDArray[np.bool_]:
    x0, y0, x1, y1 = boxes.T
    touching = 1e-9
    return (x0 < box[2] - touching) & (box[0] < x1 - touching) & (y0 < box[3] - touching) & (box[1] < y1 - touching)
