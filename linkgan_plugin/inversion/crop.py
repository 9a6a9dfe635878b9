"""Cropping photographs to a square: the largest, a given one, or one aligned by the landmarks of a face."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from training_loops.formats.budget import DESCRIPTION
from training_loops.formats.files import read_file
from training_loops.formats.json_text import parse_json

from ..errors import LinkGANError
from .photograph_files import from_pixels, opened, upright

Points = npt.NDArray[np.float64]
Landmarks = Points | dict[str, Points]
# Indices of the eyes and the corners of the mouth in the 68 points of iBUG 300-W.
_LEFT_EYE, _RIGHT_EYE, _MOUTH_CORNERS = slice(36, 42), slice(42, 48), (48, 54)
_LARGEST_SIDE = 16384


@dataclass(frozen=True)
class Square:
    """A square in a photograph, possibly rotated, in pixels: origin top left, pixel centres at halves.

    Attributes:
        centre: (x, y).
        side: its length.
        angle: of its upper edge, in radians clockwise; 0 is upright.
    """

    centre: tuple[float, float]
    side: float
    angle: float = 0.0


def largest_square(width: int, height: int) -> Square:
    """Return the largest centred square of a photograph."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return Square((left + side / 2, top + side / 2), side)


def given_square(text: str, width: int, height: int) -> Square:
    """Read ``x0,y0,x1,y1``: fractions of width and height where none is above 1, else pixels; origin top left.

    Raises:
        LinkGANError: not four numbers, not inside the photograph, or not a square (to a pixel).
    """
    try:
        numbers = [float(part) for part in text.split(",")]
        x0, y0, x1, y1 = numbers
    except ValueError:
        raise LinkGANError(f"crop {text!r}: expected x0,y0,x1,y1, as fractions up to 1 or in pixels") from None
    if max(numbers) <= 1:
        x0, y0, x1, y1 = (round(v * size) for v, size in zip(numbers, (width, height) * 2, strict=True))
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise LinkGANError(
            f"crop {text!r}: in pixels {x0:g},{y0:g},{x1:g},{y1:g}, which is not inside {width} x {height}"
        )
    if abs((x1 - x0) - (y1 - y0)) > 1:
        raise LinkGANError(f"crop {text!r} is {x1 - x0:g} x {y1 - y0:g} pixels, expected a square")
    side = min(x1 - x0, y1 - y0)
    return Square((x0 + side / 2, y0 + side / 2), side)


def aligned_square(points: Points) -> Square:
    """Return the square that FFHQ and CelebA-HQ cut around a face (Karras et al. 2018, appendix C).

    With eyes e0, e1 and mouth corners m0, m1: ``x' = e1 - e0``, ``y' = (e0 + e1) / 2 - (m0 + m1) / 2``, centre
    ``(e0 + e1) / 2 - 0.1 y'``, side ``max(4 |x'|, 3.6 |y'|)``, along ``x' - rotate90(y')``.

    Args:
        points: [68, 2] in the order of iBUG 300-W, or [5, 2]: left eye, right eye, nose, left and right corner of the
            mouth, as seen in the image; (x, y) in pixels.
    Raises:
        LinkGANError: another number of points, or points that coincide.
    """
    if points.shape not in ((5, 2), (68, 2)):
        raise LinkGANError(f"landmarks {list(points.shape)}, expected 5 or 68 points [x, y]")
    if len(points) == 5:
        left, right, _, *corners = points
    else:
        left, right = points[_LEFT_EYE].mean(axis=0), points[_RIGHT_EYE].mean(axis=0)
        corners = [points[index] for index in _MOUTH_CORNERS]
    across, eyes = right - left, (left + right) / 2
    up = eyes - (corners[0] + corners[1]) / 2
    side = max(4.0 * math.hypot(*across), 3.6 * math.hypot(*up))
    # `up` rotated by 90 degrees clockwise (y points down) also points along the eyes.
    along = across + np.array([-up[1], up[0]])
    if not 1 <= side <= _LARGEST_SIDE or math.hypot(*along) < 1e-6 * side:
        raise LinkGANError(f"the landmarks span a square of {side:.4g} pixels, expected those of a face")
    centre = eyes - 0.1 * up
    return Square((float(centre[0]), float(centre[1])), side, math.atan2(along[1], along[0]))


def read_landmarks(path: Path) -> Landmarks:
    """Read a JSON file: a list of 5 or 68 points [x, y] for all photographs, or an object of such lists by file name.

    Raises:
        LinkGANError: the file is missing or holds no points.
    """
    try:
        data = parse_json(read_file(path, DESCRIPTION.bytes), str(path))
        if isinstance(data, dict):
            return {name: np.asarray(points, np.float64) for name, points in data.items()}
        return np.asarray(data, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise LinkGANError(f"{path} cannot be read as landmarks ({error}); expected 5 or 68 points [x, y]") from error


def cut(image: Image.Image, square: Square, resolution: int) -> Image.Image:
    """Crop to a square and resize with Lanczos, as data sets are made; the photograph is mirrored beyond its edges.

    Raises:
        LinkGANError: a square below 1 or above 16384 pixels.
    """
    if not 1 <= square.side <= _LARGEST_SIDE:
        raise LinkGANError(f"a square of {square.side:.4g} pixels, expected 1 to {_LARGEST_SIDE}")
    factor = max(1, int(square.side / (2 * resolution)))  # the reduced image is still twice the needed size
    if factor > 1:
        image = image.reduce(factor)
        square = Square((square.centre[0] / factor, square.centre[1] / factor), square.side / factor, square.angle)
    side = max(1, round(square.side))
    pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).unsqueeze(0).float()
    steps = (torch.arange(side, dtype=torch.float64) + 0.5) / side - 0.5
    down, right = torch.meshgrid(steps * square.side, steps * square.side, indexing="ij")
    cosine, sine = math.cos(square.angle), math.sin(square.angle)
    x = square.centre[0] + cosine * right - sine * down
    y = square.centre[1] + sine * right + cosine * down
    grid = torch.stack([2 * x / image.width - 1, 2 * y / image.height - 1], dim=-1).float().unsqueeze(0)
    found = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    whole = Image.fromarray(found[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy())
    return whole if side == resolution else whole.resize((resolution, resolution), Image.Resampling.LANCZOS)


def read_photograph(
    path: Path, resolution: int, channels: int = 3, *, crop: str | None = None, landmarks: Points | None = None
) -> Tensor:
    """Read a photograph (see `upright`) and crop it: float32 [1, channels, resolution, resolution] in [-1, 1].

    Without `crop` and `landmarks` the largest centred square is taken.

    Args:
        path: the image file.
        resolution: side of the result in pixels.
        channels: 1, 3 or 4, see `from_pixels`.
        crop: see `given_square`.
        landmarks: [5 or 68, 2], see `aligned_square`.
    Raises:
        LinkGANError: not a readable image, or a crop that does not fit it.
    """
    with opened(path) as file:
        image = upright(file)
    try:
        if landmarks is not None:
            square = aligned_square(landmarks)
        elif crop is not None:
            square = given_square(crop, *image.size)
        else:
            square = largest_square(*image.size)
        return from_pixels(cut(image, square, resolution), channels)
    except LinkGANError as error:
        raise LinkGANError(f"{path}: {error}") from error
