"""Paints anti-aliased shapes in layers on a batch of images and computes exact masks of the visible parts.

Coordinates are fractions of the image, origin top left. Shapes take `x` [1, w] and `y` [h, 1] (or bent
versions of them, [n, h, w]) and per-image parameters [n, 1, 1], and return signed distances [n, h, w], negative
inside; `cover` turns a distance into the share of each pixel that is covered.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

# Images smaller than this are painted with several samples per pixel, so that thin strokes are averaged.
_FINE_SAMPLES = 64


def cover(distance: Tensor, pixel: float) -> Tensor:
    """Return the share [n, h, w] of pixels inside an edge at the signed `distance` [n, h, w] (negative: inside).

    ``clamp(0.5 - distance / pixel, 0, 1)``, with `pixel` the side of a pixel.
    """
    return (0.5 - distance / pixel).clamp_(0, 1)


def ellipse(x: Tensor, y: Tensor, rx: Tensor | float, ry: Tensor | float) -> Tensor:
    """Return the signed distance [n, h, w] to an ellipse centred at 0 (first order in the distance, exact for circles).

    ``d = r (r - 1) / s`` with ``r = |(x / rx, y / ry)|`` and ``s = |(x / rx^2, y / ry^2)|``: f / |grad f|.
    """
    u, v = x / rx, y / ry
    radius = (u * u + v * v).sqrt()
    slope = ((u / rx) ** 2 + (v / ry) ** 2).sqrt().clamp_min(1e-6)
    return radius * (radius - 1) / slope


def superellipse(x: Tensor, y: Tensor, rx: Tensor | float, ry: Tensor | float, power: float) -> Tensor:
    """Return the first-order signed distance [n, h, w] to ``|x/rx|^power + |y/ry|^power = 1``; 2 is an ellipse."""
    u, v = (x / rx).abs(), (y / ry).abs()
    radius = (u**power + v**power).clamp_min(1e-9) ** (1 / power)
    u, v = u / radius, v / radius
    slope = ((u ** (power - 1) / rx) ** 2 + (v ** (power - 1) / ry) ** 2).sqrt().clamp_min(1e-6)
    return (radius - 1) / slope


def segment(x: Tensor, y: Tensor, half_length: float, half_width: Tensor | float) -> Tensor:
    """Return the signed distance [n, h, w] to a horizontal bar with round ends, centred at 0."""
    beyond = (x.abs() - half_length).clamp_min(0)
    return (beyond * beyond + y * y).sqrt() - half_width


class Layer:
    """A window of the canvas on which the shapes of one part are painted over one another."""

    def __init__(self, canvas: Canvas, window: tuple[float, float, float, float]):
        samples = canvas.samples
        x0, y0 = (math.floor(edge * samples) for edge in window[:2])
        x1, y1 = (math.ceil(edge * samples) for edge in window[2:])
        self.rows, self.columns = slice(y0, y1), slice(x0, x1)
        self.x = canvas.grid[None, self.columns]  # [1, w]
        self.y = canvas.grid[self.rows, None]  # [h, 1]
        self.pixel = canvas.pixel
        shape = (canvas.image.shape[0], y1 - y0, x1 - x0)
        self.alpha = torch.zeros(shape)  # [n, h, w]
        self.colour = torch.zeros(shape[0], 3, *shape[1:])  # premultiplied, [n, 3, h, w]

    def paint(self, coverage: Tensor, colour: Tensor) -> None:
        """Paint `colour` ([3], [n, 3] or [n, 3, h, w], in [0, 1]) with opacity `coverage` [n, h, w]."""
        if colour.ndim < 4:
            colour = colour.reshape(-1, 3, 1, 1)
        over = coverage.unsqueeze(1)
        self.colour += over * (colour - self.colour)
        self.alpha += coverage * (1 - self.alpha)

    def shade(self, coverage: Tensor, colour: Tensor) -> None:
        """Blend `colour` ([3] or [n, 3]) into the painted pixels by `coverage` [n, h, w]; alpha is unchanged."""
        over = (coverage * self.alpha).unsqueeze(1)
        self.colour += over * (colour.reshape(-1, 3, 1, 1) - self.colour)


class Canvas:
    """A batch of square images and, for every pixel, the share covered by each part."""

    def __init__(self, count: int, size: int, parts: int):
        self.factor = max(1, _FINE_SAMPLES // size)
        self.samples = size * self.factor
        self.pixel = 1 / self.samples
        self.grid = (torch.arange(self.samples) + 0.5) * self.pixel
        self.image = torch.zeros(count, 3, self.samples, self.samples)
        self.masks = torch.zeros(count, parts, self.samples, self.samples)

    def layer(self, window: tuple[float, float, float, float] = (0, 0, 1, 1)) -> Layer:
        """Return an empty layer over the window (x0, y0, x1, y1)."""
        return Layer(self, window)

    def add(self, layer: Layer, part: int) -> None:
        """Composite `layer` onto the images; the pixels that it covers belong to `part`."""
        keep = (1 - layer.alpha).unsqueeze(1)
        image = self.image[:, :, layer.rows, layer.columns]
        image.mul_(keep).add_(layer.colour)
        masks = self.masks[:, :, layer.rows, layer.columns]
        masks.mul_(keep)
        masks[:, part] += layer.alpha

    def finish(self) -> tuple[Tensor, Tensor]:
        """Return the images [n, 3, size, size] in [-1, 1] and the masks [n, parts, size, size], which sum to 1."""
        image, masks = self.image, self.masks
        if self.factor > 1:
            image, masks = avg_pool2d(image, self.factor), avg_pool2d(masks, self.factor)
        return image.clamp(0, 1) * 2 - 1, masks / masks.sum(1, keepdim=True)
