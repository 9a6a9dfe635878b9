"""Compound regions: unions `A+B` and intersections `A&B`, of static and other regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from ..errors import LinkGANError
from .base import FINE, Region, Scene, StaticRegion

UNION, INTERSECTION = "+", "&"
_GRID = 512  # approximate number of cells per side of the grid on which the parts of a compound are joined


@dataclass(frozen=True)
class Compound(Region):
    """Two or more regions joined by `symbol`; use `combine` to make one.

    A union adds the covered shares up to 1, which is exact for parts that do not overlap; an intersection
    multiplies them.
    """

    symbol: str
    parts: tuple[Region, ...]

    def mask(self, scene: Scene) -> Tensor:
        masks = [part.mask(scene) for part in self.parts]
        return reduce(torch.add if self.symbol == UNION else torch.mul, masks).clamp(0, 1)

    def files(self) -> dict[str, bytes]:
        return {name: data for part in self.parts for name, data in part.files().items()}

    def __str__(self) -> str:
        return self.symbol.join(_enclosed(part, self.symbol) for part in self.parts)


@dataclass(frozen=True)
class StaticCompound(StaticRegion, Compound):
    """A compound of static regions, joined on a finer grid so that borders within a pixel are accurate."""

    def coverage(self, height: int, width: int) -> np.ndarray:
        factor = max(1, min(8, _GRID // max(height, width)))
        fine = (part.coverage(height * factor, width * factor) for part in self._static_parts())  # one at a time
        joined = reduce(np.add if self.symbol == UNION else np.multiply, fine)
        cells = np.clip(joined, 0.0, 1.0).reshape(height, factor, width, factor)
        return cells.mean(axis=(1, 3), dtype=np.float64).astype(np.float32)

    def _static_parts(self) -> list[StaticRegion]:
        return [part for part in self.parts if isinstance(part, StaticRegion)]


def combine(symbol: str, parts: Sequence[Region]) -> Region:
    """Return the union (``"+"``) or intersection (``"&"``) of `parts`; nested ones of the same kind are flattened.

    Raises LinkGANError for an intersection of static regions that have nothing in common, and for different files
    of one name.
    """
    flat: list[Region] = []
    for part in parts:
        flat += part.parts if isinstance(part, Compound) and part.symbol == symbol else [part]
    if len(flat) == 1:
        return flat[0]
    _check_files(flat)
    if not all(isinstance(part, StaticRegion) for part in flat):
        return Compound(symbol, tuple(flat))
    region = StaticCompound(symbol, tuple(flat))
    # A shared border covers less than half of any pixel of the fine grid: it is not a common area.
    if symbol == INTERSECTION and region.fine.max() < 0.5:
        raise LinkGANError(f"{region!s:.200} is empty: its parts have no area in common")
    return region


def certain_coverage(region: Region) -> np.ndarray:
    """Return the least share of each pixel that a region covers in all images: float32 [FINE, FINE] in [0, 1]."""
    if isinstance(region, StaticRegion):
        return region.fine
    if not isinstance(region, Compound):
        return np.zeros([FINE, FINE], np.float32)  # it differs between images
    parts = [certain_coverage(part) for part in region.parts]
    return np.clip(reduce(np.add if region.symbol == UNION else np.multiply, parts), 0.0, 1.0)


def _check_files(parts: Sequence[Region]) -> None:
    """Reject different files of one name, which cannot both be embedded."""
    known: dict[str, bytes] = {}
    for part in parts:
        for name, data in part.files().items():
            if known.setdefault(name, data) != data:
                raise LinkGANError(f"two different files are called '{name}' in one region; rename one")


def _enclosed(part: Region, symbol: str) -> str:
    """Return the part's expression, in parentheses if `&` would otherwise split it."""
    apart = symbol == INTERSECTION and isinstance(part, Compound) and part.symbol == UNION
    return f"({part})" if apart else str(part)
