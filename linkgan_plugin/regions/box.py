"""The region kind `box(x0,y0,x1,y1)`: an axis-aligned rectangle with exact pixel coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import LinkGANError
from .base import Read, StaticRegion, expression, fractions, pixel_shares

USAGE = "box(x0,y0,x1,y1) with x0 < x1 and y0 < y1, for example box(0.25,0.35,0.75,0.5)"


@dataclass(frozen=True)
class Box(StaticRegion):
    """The rectangle from (x0, y0), top left, to (x1, y1), bottom right; fractions of width and height."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        fractions([str(value) for value in (self.x0, self.y0, self.x1, self.y1)], USAGE)
        if self.x0 >= self.x1 or self.y0 >= self.y1:
            raise LinkGANError(f"{self} is empty; write {USAGE}")

    @classmethod
    def parse(cls, args: Sequence[str], read: Read) -> Box:
        """Return the box of four numbers. Raises LinkGANError for another count, an empty box or one off the image."""
        if len(args) != 4:
            raise LinkGANError(f"box takes 4 numbers, not {len(args)}; write {USAGE}")
        x0, y0, x1, y1 = fractions(args, USAGE)
        return cls(x0, y0, x1, y1)

    def coverage(self, height: int, width: int) -> np.ndarray:
        """Float32 [height, width]: exact, because a box is the product of its two sides."""
        columns = pixel_shares(np.array([self.x0]), np.array([self.x1]), width)
        rows = pixel_shares(np.array([self.y0]), np.array([self.y1]), height)
        return (rows.T @ columns).astype(np.float32)

    def __str__(self) -> str:
        return expression("box", (self.x0, self.y0, self.x1, self.y1))
