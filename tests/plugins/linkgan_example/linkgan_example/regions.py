"""The region kind `circle(x,y,r)`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.regions.base import Read, StaticRegion, expression, numbers

USAGE = "circle(x,y,r): the centre in fractions of width and height, the radius in fractions of the width"


@dataclass(frozen=True)
class Circle(StaticRegion):
    """The disc around (x, y) with radius r."""

    x: float
    y: float
    r: float

    @classmethod
    def parse(cls, args: Sequence[str], read: Read) -> Circle:
        """Return the circle of three numbers."""
        if len(args) != 3:
            raise LinkGANError(f"circle takes 3 numbers, not {len(args)}; write {USAGE}")
        return cls(*numbers(args, USAGE))

    def coverage(self, height: int, width: int) -> np.ndarray:
        """Float32 [height, width]: the border is one pixel wide, which is close to the covered share."""
        x = np.arange(width) + 0.5 - self.x * width
        y = np.arange(height) + 0.5 - self.y * height
        distance = np.hypot(x[None, :], y[:, None])
        return np.clip(self.r * width - distance + 0.5, 0, 1).astype(np.float32)

    def __str__(self) -> str:
        return expression("circle", (self.x, self.y, self.r))
