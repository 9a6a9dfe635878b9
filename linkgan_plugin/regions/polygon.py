"""The region kind `polygon(x0,y0,x1,y1,x2,y2,...)`: a simple polygon with exact pixel coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training_loops.formats.budget import MOST_CORNERS

from ..errors import LinkGANError
from .base import Read, StaticRegion, expression, fractions

USAGE = "polygon(x0,y0,x1,y1,x2,y2,...) with 3 or more corners in order, for example polygon(0.5,0.1,0.9,0.9,0.1,0.9)"


@dataclass(frozen=True)
class Polygon(StaticRegion):
    """The inside of a closed line that does not cross itself; corners (x, y) are fractions of width and height."""

    corners: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if len(self.corners) > MOST_CORNERS:
            raise LinkGANError(f"a polygon of {len(self.corners)} corners, expected at most {MOST_CORNERS}; use a mask")
        fractions([str(value) for corner in self.corners for value in corner], USAGE)
        crossing = _crossing(np.array(self.corners))
        if crossing:
            raise LinkGANError(
                f"{self!s:.200} crosses itself: the sides after corners {crossing[0] + 1} and {crossing[1] + 1} meet; "
                "give the corners in order around the shape"
            )
        if abs(_signed_area(np.array(self.corners))) < 1e-9:
            raise LinkGANError(f"{self!s:.200} is empty: its corners lie on one line; write {USAGE}")

    @classmethod
    def parse(cls, args: Sequence[str], read: Read) -> Polygon:
        """Return the polygon of x,y pairs. Raises LinkGANError if it is empty, crosses itself or is off the image."""
        if len(args) < 6 or len(args) % 2:
            raise LinkGANError(f"polygon takes 6 or more numbers, alternating x and y, not {len(args)}; write {USAGE}")
        values = fractions(args, USAGE)
        return cls(tuple(zip(values[::2], values[1::2], strict=True)))

    def coverage(self, height: int, width: int) -> np.ndarray:
        """Float32 [height, width]: exact, by Green's theorem.

        Within one row of pixels, the area left of X is the integral of min(x, X) dy along the border. The share of a
        pixel is the difference between its right and left side.
        """
        corners = np.array(self.corners) * (width, height)
        area = np.zeros((height, width + 1))
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y0 < y1:
                _add_edge(area, x0, y0, x1, y1, 1.0)
            elif y1 < y0:
                _add_edge(area, x1, y1, x0, y0, -1.0)
        shares = np.diff(area, axis=1) * np.sign(_signed_area(corners))
        return np.clip(shares, 0.0, 1.0).astype(np.float32)

    def cost(self) -> int:
        """Time is proportional to the height of a side; one over the full height takes about as long as 8 boxes."""
        heights = np.array(self.corners)[:, 1]
        return int(8 * np.abs(heights - np.roll(heights, -1)).sum())

    def __str__(self) -> str:
        return expression("polygon", [value for corner in self.corners for value in corner])


def _add_edge(area: np.ndarray, x0: float, y0: float, x1: float, y1: float, sign: float) -> None:
    """Add sign * the integral of min(x, X) dy along an edge with y0 < y1 to the rows it passes; area: [row, X]."""
    rows = np.arange(int(y0), min(int(np.ceil(y1)), len(area)))[:, None]
    start, stop = np.maximum(rows, y0), np.minimum(rows + 1, y1)
    slope = (x1 - x0) / (y1 - y0)
    ends = x0 + slope * (start - y0), x0 + slope * (stop - y0)
    low, high = np.minimum(*ends), np.maximum(*ends)
    x = np.arange(area.shape[1])[None, :]
    cut = np.clip(x, low, high)
    left = np.divide(
        cut - low, high - low, out=(x >= low).astype(float), where=high > low
    )  # share of the edge left of X
    area[rows[:, 0]] += sign * (stop - start) * (left * (low + cut) / 2 + (1 - left) * x)


def _signed_area(corners: np.ndarray) -> float:
    """Return the signed area of corners [K, 2] by the shoelace formula."""
    x, y = corners.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def _crossing(corners: np.ndarray) -> tuple[int, int] | None:
    """Return the first two sides that cross each other properly, or None. Touching is allowed."""
    ends = np.roll(corners, -1, axis=0)
    starts_side = _sides(corners, ends, corners)  # [K, K]: on which side of side i corner j lies
    ends_side = np.roll(starts_side, -1, axis=1)
    apart = starts_side * ends_side < 0  # side j has its ends on both sides of line i
    pairs = np.argwhere(apart & apart.T)
    return (int(pairs[0][0]), int(pairs[0][1])) if len(pairs) else None


def _sides(starts: np.ndarray, ends: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the sign of the side of line starts[i]-ends[i] that points[j] lies on: [i, j]."""
    along = (ends - starts)[:, None]
    to = points[None] - starts[:, None]
    return np.sign(along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0])
