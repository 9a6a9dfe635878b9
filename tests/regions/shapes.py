"""Random regions for property tests, and an independent way to measure them: counting points."""

from __future__ import annotations

import io
import math
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image

from linkgan_plugin.regions.base import Region, Scene
from linkgan_plugin.regions.box import Box
from linkgan_plugin.regions.compose import combine
from linkgan_plugin.regions.mask import MaskImage
from linkgan_plugin.regions.polygon import Polygon

POINTS = 32  # sample points per side of a pixel
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@dataclass(frozen=True)
class Bright(Region):
    """A region that differs per image: the pixels above zero."""

    def mask(self, scene: Scene) -> torch.Tensor:
        return (scene.images[:, :1] > 0).float()

    def __str__(self) -> str:
        return "bright()"


def png(pixels: np.ndarray, mode: str | None = None, **options: object) -> bytes:
    """Encode an array as PNG bytes."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, format="PNG", **options)
    return buffer.getvalue()


def sample_points(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x [1, width * POINTS] and y [height * POINTS, 1] of the sample points, as fractions."""
    x = (np.arange(width * POINTS) + 0.5) / (width * POINTS)
    y = (np.arange(height * POINTS) + 0.5) / (height * POINTS)
    return x[None, :], y[:, None]


def share_of_points(inside: np.ndarray) -> np.ndarray:
    """Return the share of the sample points of each pixel that are inside: [height, width]."""
    height, width = (side // POINTS for side in inside.shape)
    return inside.reshape(height, POINTS, width, POINTS).mean(axis=(1, 3))


def inside_box(box: Box, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x >= box.x0) & (x < box.x1) & (y >= box.y0) & (y < box.y1)


def inside_polygon(polygon: Polygon, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Even-odd rule: a ray to the right crosses the border an odd number of times."""
    odd = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    corners = polygon.corners
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y0 != y1:
            odd ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return odd


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Boxes of any place and size, thin ones included."""
    sides = []
    for _ in range(2):
        start = draw(st.floats(0, 0.95))
        sides.append((start, draw(st.floats(start + 0.01, 1))))
    (x0, x1), (y0, y1) = sides
    return Box(x0, y0, x1, y1)


@st.composite
def polygons(draw: st.DrawFn) -> Polygon:
    """Star-shaped polygons, convex or not, in either direction."""
    count = draw(st.integers(3, 8))
    turn = draw(st.floats(0, 1))
    centre = [draw(st.floats(0.3, 0.7)) for _ in range(2)]
    corners = []
    for i in range(count):
        angle, radius = 2 * math.pi * (i + turn) / count, draw(st.floats(0.05, 0.3))
        corners.append((centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)))
    return Polygon(tuple(corners[:: draw(st.sampled_from([1, -1]))]))


@st.composite
def masks(draw: st.DrawFn) -> MaskImage:
    """Small gray images with awkward file names; one pixel at least is white."""
    height, width = draw(SIZES)
    pixels = np.array(draw(st.lists(st.integers(0, 255), min_size=height * width, max_size=height * width)), np.uint8)
    pixels[0] = 255
    data = png(pixels.reshape(height, width))
    name = draw(st.text(alphabet="ab .,()'\"+&@=/é", max_size=8))
    return MaskImage(f"{name}{zlib.crc32(data):x}", data)  # one name, one file


def regions() -> st.SearchStrategy[Region]:
    """Any region of the built-in kinds: simple ones and unions and intersections of them."""
    simple = st.one_of(boxes(), polygons(), masks())

    def joined(parts: st.SearchStrategy[Region]) -> st.SearchStrategy[Region]:
        groups = st.lists(parts, min_size=2, max_size=3)
        anchor = Box(0, 0, 1, 1)  # makes every intersection non-empty
        return st.one_of(
            groups.map(lambda group: combine("+", group)),
            parts.map(lambda part: combine("&", [part, anchor])),
        )

    return st.recursive(simple, joined, max_leaves=4)
