"""The region interface: an expression that turns a scene into a soft mask, and helpers for all kinds."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from training_loops.formats.budget import REGIONS, Budget
from training_loops.formats.png import HEADER_BYTES, png_shape
from training_loops.formats.text import printable

from ..errors import LinkGANError

Read = Callable[[str], bytes]
REGIONS_OF_ALL = "the regions of the links"

FINE = 256  # pixels per side at which areas and overlaps of static regions are measured, for any image size


@dataclass(frozen=True, eq=False)
class Scene:
    """The input of regions: the reference images and, from 3D-aware generators, depth and cameras.

    images: float32 [N, C, H, W] in [-1, 1]; depth: float32 [N, 1, h, w] in world units; camera: the host's labels
    float32 [N, c_dim]. found: intermediate results for this scene, cached for other regions.
    """

    images: Tensor
    depth: Tensor | None = None
    camera: Tensor | None = None
    found: dict[object, Tensor] = field(default_factory=dict, repr=False)


class Files:
    """Reads files named in regions, within a budget that all regions of a spec share."""

    def __init__(self, read: Read, budget: Budget | None = None) -> None:
        self._read, self.budget = read, budget or Budget(REGIONS_OF_ALL, REGIONS)

    def __call__(self, name: str) -> bytes:
        """Return the bytes of a file. Raises BudgetError if it exceeds the budget together with earlier files."""
        data = self._read(name)
        _, height, width = png_shape(data[:HEADER_BYTES]) or (0, 0, 0)
        self.budget.charge(bytes=len(data) + 4 * height * width)
        return data


class Region(ABC):
    """A set of pixels. Two regions are equal if their expressions and embedded files are.

    A kind is a subclass with a class method ``parse(args: Sequence[str], read: Read) -> Region``, registered in the
    entry-point group `linkgan.regions`: ``kind(a,b)`` on the command line calls ``parse(["a", "b"], read)``, where
    ``read(name)`` returns the bytes of a file named in the arguments: from disk if the user typed them, only from the
    spec if they are from a spec.
    """

    static: bool = False
    """Whether the mask depends only on the size of the images."""

    @abstractmethod
    def mask(self, scene: Scene) -> Tensor:
        """Return the share of each pixel that is covered: float32 [1 or N, 1, H, W] in [0, 1], without gradient,
        on the device of the images. The result may be shared: do not write to it.
        """

    @abstractmethod
    def __str__(self) -> str:
        """Return the canonical expression; parsing it gives an equal region."""

    def files(self) -> dict[str, bytes]:
        """Return the files that the expression names, name -> content, to be embedded with it."""
        return {}

    def cost(self) -> int:
        """Return the extra cost of a mask, in boxes, which limits the time that untrusted specs take."""
        return 0

    def area(self) -> float | None:
        """Return the share of the image in [0, 1], or None if it differs between images."""
        return None


class StaticRegion(Region):
    """A region that is the same for every image of a size."""

    static = True

    @abstractmethod
    def coverage(self, height: int, width: int) -> np.ndarray:
        """Return the share of each pixel that is covered: float32 [height, width] in [0, 1]."""

    def mask(self, scene: Scene) -> Tensor:
        height, width = scene.images.shape[-2:]
        device = scene.images.device
        masks: dict[object, Tensor] = self.__dict__.setdefault("_masks", {})
        if (height, width, device) not in masks:
            coverage = torch.from_numpy(np.ascontiguousarray(self.coverage(height, width), dtype=np.float32))
            masks[height, width, device] = coverage[None, None].to(device)
        return masks[height, width, device]

    @cached_property
    def fine(self) -> np.ndarray:
        """The coverage [FINE, FINE] on which areas and overlaps are measured; read-only."""
        coverage = self.coverage(FINE, FINE).view()
        coverage.flags.writeable = False
        return coverage

    def area(self) -> float:
        return float(self.fine.mean(dtype=np.float64))


def pixel_shares(start: np.ndarray, stop: np.ndarray, count: int) -> np.ndarray:
    """Return how much of each of `count` pixels along one side the intervals [start, stop] cover.

    start, stop: float64 [K], fractions of the side. Returns float64 [K, count] in [0, 1]: exact, not sampled.
    """
    left = np.arange(count)
    low = np.maximum(np.asarray(start)[:, None] * count, left)
    high = np.minimum(np.asarray(stop)[:, None] * count, left + 1)
    return np.clip(high - low, 0.0, 1.0)


def numbers(args: Sequence[str], usage: str) -> list[float]:
    """Return `args` as finite floats. Raises LinkGANError that names the one that is not a number, and `usage`."""
    values = []
    for arg in args:
        try:
            value = float(arg)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise LinkGANError(printable(f"'{arg:.40}' is not a number; write {usage}"))
        values.append(value)
    return values


def fractions(args: Sequence[str], usage: str) -> list[float]:
    """Return `args` as floats in [0, 1], fractions of the image's width or height, origin top left.

    Raises LinkGANError that names the value outside the image, with a hint if it looks like pixels.
    """
    values = numbers(args, usage)
    for arg, value in zip(args, values, strict=True):
        if not 0.0 <= value <= 1.0:
            looks = " (these look like pixels: divide x by the width and y by the height)" if value >= 2 else ""
            raise LinkGANError(
                f"{arg:.40} is outside the image: coordinates are fractions of its width and height, from 0 to 1, "
                f"origin top left{looks}; write {usage}"
            )
    return values


def expression(kind: str, args: Sequence[str | float]) -> str:
    """Return ``kind(arg,arg)`` in the grammar: shortest exact numbers, quotes where needed."""
    return f"{kind}({','.join(arg if isinstance(arg, str) else _shortest(arg) for arg in map(_quoted, args))})"


def _shortest(value: float) -> str:
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


def _quoted(arg: str | float) -> str | float:
    """Quote a text argument that the grammar cannot parse bare; quotes inside it are doubled."""
    if not isinstance(arg, str):
        return arg
    bare = arg and arg == arg.strip() and not any(char in arg for char in ",()'\"")
    return arg if bare else '"' + arg.replace('"', '""') + '"'
