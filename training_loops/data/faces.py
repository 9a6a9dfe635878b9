"""Procedural cartoon faces at any resolution, with exact part masks and the attributes that made them.

Every attribute is uniform in [0, 1], independent of all others, and belongs to one part. Eye and mouth attributes
change only pixels of the eye and mouth parts, and those parts stay inside EYES_BOX and MOUTH_BOX for all attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training_loops.data.canvas import Canvas, Layer, cover, ellipse, segment, superellipse
from training_loops.formats.archive import DatasetError

VERSION = 1
PARTS = ("background", "hair", "skin", "eyes", "nose", "mouth", "shirt")
EYES_BOX = (0.25, 0.3125, 0.75, 0.59375)  # x0, y0, x1, y1; 14.1 % of the image
MOUTH_BOX = (0.3125, 0.625, 0.6875, 0.84375)  # 8.2 %
# The painted windows are a little larger than the boxes: the shapes stay inside the boxes without being cropped.
_EYES_WINDOW = (0.21875, 0.25, 0.78125, 0.625)
_MOUTH_WINDOW = (0.28125, 0.59375, 0.71875, 0.875)
DEMO_LINKS = (
    "eyes=16@box({},{},{},{})".format(*EYES_BOX),
    "mouth=8@box({},{},{},{})".format(*MOUTH_BOX),
)

# Samples (pixels times supersampling) painted at once; limits the working set to tens of megabytes.
_CHUNK_SAMPLES = 1 << 17


class Attribute(NamedTuple):
    """One number in [0, 1] that changes the face in `part` (the skin tone also changes the nose)."""

    name: str
    part: str


# Few, and each visible at 32 pixels, so that a small generator learns all of them in minutes.
_NAMES = {
    "eyes": "gaze_x eye_open glasses accent_red accent_green accent_blue",
    "mouth": "mouth_open smile lip_light",
    "skin": "skin_tone",
    "hair": "hair_light hair_warm hair_length",
    "shirt": "shirt_light shirt_warm",
    "background": "sky_light sky_warm",
}
ATTRIBUTES = tuple(Attribute(name, part) for part, names in _NAMES.items() for name in names.split())
_INDEX = {attribute.name: i for i, attribute in enumerate(ATTRIBUTES)}


def sample_attributes(n: int, seed: int) -> Tensor:
    """Return [n, A] attributes, float32 in [0, 1); the first rows do not depend on `n`."""
    values = np.random.default_rng(seed).random((n, len(ATTRIBUTES)), dtype=np.float32)
    return torch.from_numpy(values)


def part_axes(part: str) -> tuple[int, ...]:
    """Return the columns of the attributes that belong to `part`. Raises DatasetError for an unknown part."""
    if part not in PARTS:
        raise DatasetError(f"part is '{part}', expected one of: {', '.join(PARTS)}")
    return tuple(i for i, attribute in enumerate(ATTRIBUTES) if attribute.part == part)


@torch.no_grad()
def render(attributes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Paint attributes [n, A] as images [n, 3, size, size] in [-1, 1] and masks [n, P, size, size] in [0, 1].

    Masks are in the order of PARTS and sum to 1 at every pixel, also on edges. Attributes beyond [0, 1]
    are clamped. Raises DatasetError for another number of attributes or a size below 8.
    """
    if attributes.ndim != 2 or attributes.shape[1] != len(ATTRIBUTES):
        raise DatasetError(f"attributes have shape {list(attributes.shape)}, expected [n, {len(ATTRIBUTES)}]")
    if size < 8:
        raise DatasetError(f"size is {size}, expected at least 8 pixels")
    samples = max(size, 64)
    chunk = max(1, _CHUNK_SAMPLES // samples**2)
    attributes = attributes.detach().to("cpu", torch.float32).clamp(0, 1)
    images, masks = [torch.empty(0, 3, size, size)], [torch.empty(0, len(PARTS), size, size)]
    for part in attributes.split(chunk):
        image, mask = _paint(_Face(part), size)
        images.append(image)
        masks.append(mask)
    return torch.cat(images), torch.cat(masks)


class _Face:
    """The attributes of a batch by name, converted to the sizes and colours of shapes."""

    def __init__(self, attributes: Tensor):
        self._attributes = attributes
        self.count = attributes.shape[0]
        self.x = self.y = torch.full([1, 1, 1], 0.5)  # the centre of the head
        self.width = 0.295

    def span(self, name: str, low: float, high: float) -> Tensor:
        """Return the attribute scaled to [low, high], [n, 1, 1]."""
        return (low + (high - low) * self._attributes[:, _INDEX[name]])[:, None, None]

    def mix(self, name: str, *colours: tuple[float, float, float]) -> Tensor:
        """Return the attribute's colour, interpolated between `colours`, [n, 3]."""
        position = self._attributes[:, _INDEX[name], None] * (len(colours) - 1)
        stops = torch.tensor(colours)
        weights = (1 - (position - torch.arange(len(colours))).abs()).clamp_min(0)
        return weights @ stops

    def rgb(self, name: str, low: float, high: float) -> Tensor:
        """Return the colour [n, 3] of the three attributes name_red, _green, _blue; the curve favours vivid colours."""
        columns = [_INDEX[f"{name}_{channel}"] for channel in ("red", "green", "blue")]
        value = self._attributes[:, columns]
        value = value * value * (3 - 2 * value)
        return low + (high - low) * value

    def opponent(self, name: str, light: tuple[float, float], chroma: float) -> Tensor:
        """Return the colour [n, 3] of the attributes name_light and name_warm (blue to orange)."""
        warm = self.span(f"{name}_warm", -chroma, chroma)[:, 0] * _rgb(1.0, 0.1, -1.0)
        return (self.span(f"{name}_light", *light)[:, 0] + warm).clamp(0.03, 1)


def _rgb(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor((red, green, blue))


def _paint(face: _Face, size: int) -> tuple[Tensor, Tensor]:
    canvas = Canvas(face.count, size, len(PARTS))
    skin = face.mix("skin_tone", (0.99, 0.83, 0.71), (0.87, 0.65, 0.49), (0.68, 0.47, 0.34))
    hair = face.opponent("hair", (0.08, 0.78), 0.27) + _rgb(0.07, 0.0, -0.04)

    def add(part: str, window: tuple[float, float, float, float], paint: Callable[..., None], *colours: Tensor) -> None:
        layer = canvas.layer(window)
        paint(face, layer, *colours)
        canvas.add(layer, PARTS.index(part))

    add("background", (0, 0, 1, 1), _background)
    add("hair", (0.0625, 0, 0.9375, 1), _hair_behind, hair)
    add("skin", (0.3125, 0.6875, 0.6875, 1), _neck, skin)
    add("shirt", (0, 0.8125, 1, 1), _shirt)
    add("skin", (0.0625, 0.0625, 0.9375, 0.9375), _head, skin)
    add("hair", (0.0625, 0, 0.9375, 0.5625), _hair_in_front, hair)
    add("nose", (0.375, 0.375, 0.625, 0.6875), _nose, skin)
    add("mouth", _MOUTH_WINDOW, _mouth)
    add("eyes", _EYES_WINDOW, _eyes)
    return canvas.finish()


def _background(face: _Face, layer: Layer) -> None:
    top = face.opponent("sky", (0.35, 0.75), 0.24)[:, :, None, None]
    glow = torch.exp(-((layer.x - 0.5) ** 2 + (layer.y - 0.42) ** 2) / 0.18)
    colour = (top - 0.2 * (layer.y - 0.5) + 0.14 * (glow - 0.4)).clamp(0, 1)
    layer.paint(torch.ones(face.count, *colour.shape[2:]), colour)


def _skull(face: _Face, layer: Layer, grow: Tensor | float) -> Tensor:
    return superellipse(layer.x - face.x, layer.y - face.y, face.width + grow, 0.395 + grow, 2.4)


def _strands(face: _Face, layer: Layer, colour: Tensor) -> Tensor:
    """Return the hair colour with light and dark strands that follow the head, [n, 3, h, w]."""
    u, v = layer.x - face.x, layer.y - face.y
    wave = torch.sin(42 * u * (1 + 0.6 * v) + 3 * torch.sin(7 * v))
    crown = torch.exp(-((v + 0.3) ** 2) / 0.006) * (0.4 + 0.6 * torch.exp(-((u + 0.08) ** 2) / 0.02))
    light = (0.05 * wave + 0.16 * crown).unsqueeze(1)
    return (colour[:, :, None, None] * (0.97 + light) + 0.5 * light.clamp_min(0)).clamp(0, 1)


def _hair_behind(face: _Face, layer: Layer, hair: Tensor) -> None:
    volume = 0.05
    cap = superellipse(layer.x - face.x, layer.y - face.y + 0.06, face.width + volume, 0.36 + volume, 2.3)
    end = face.span("hair_length", 0.5, 1.02)
    side = (layer.x - face.x).abs()
    fall = torch.maximum(side - face.width - 0.8 * volume - 0.04 * (layer.y - 0.5), layer.y - end + 0.5 * side**2)
    fall = torch.maximum(fall, 0.45 - layer.y)
    shape = torch.minimum(torch.maximum(cap, layer.y - end), fall)
    layer.paint(cover(shape, layer.pixel), 0.8 * _strands(face, layer, hair))


def _neck(face: _Face, layer: Layer, skin: Tensor) -> None:
    neck = segment(layer.y - 0.95, layer.x - face.x, 0.2, 0.125)
    layer.paint(cover(neck, layer.pixel), skin * _rgb(0.86, 0.82, 0.82))
    chin = ellipse(layer.x - face.x, layer.y - face.y - 0.38, 0.17, 0.09)
    layer.shade(0.45 * cover(chin, 0.04), skin * _rgb(0.6, 0.52, 0.52))


def _shirt(face: _Face, layer: Layer) -> None:
    colour = face.opponent("shirt", (0.25, 0.75), 0.3)
    x = layer.x - 0.5 - 0.5 * (face.x - 0.5)
    shoulders = superellipse(x, layer.y - 1.14, 0.44, 0.245, 2.6)
    neckline = ellipse(x, layer.y - 0.885, 0.135, 0.085)
    layer.paint(cover(torch.maximum(shoulders, -neckline), layer.pixel), colour)
    hem = neckline.abs() - 0.012
    layer.shade(0.5 * cover(torch.maximum(hem, -neckline), layer.pixel), 0.55 * colour)
    layer.shade(0.3 * cover(shoulders.abs() - 0.02, 0.05), 0.6 * colour)


def _head(face: _Face, layer: Layer, skin: Tensor) -> None:
    x, y = layer.x - face.x, layer.y - face.y
    side = x.abs() - face.width
    ear = ellipse(side - 0.012, y + 0.01, 0.042, 0.07)
    layer.paint(cover(ear, layer.pixel), skin * _rgb(0.92, 0.86, 0.86))
    layer.shade(0.6 * cover(ellipse(side - 0.016, y + 0.01, 0.018, 0.04), 0.02), skin * _rgb(0.72, 0.62, 0.62))
    head = _skull(face, layer, 0.0)
    layer.paint(cover(head, layer.pixel), skin)
    rim = torch.exp(-((head / 0.05) ** 2))
    layer.shade(0.3 * rim, skin * _rgb(0.72, 0.6, 0.6))
    cheek = torch.exp(-((x.abs() - 0.17) ** 2 + (y - 0.13) ** 2) / 0.004)
    layer.shade(0.25 * cheek, skin * _rgb(1.0, 0.66, 0.62))


def _hair_in_front(face: _Face, layer: Layer, hair: Tensor) -> None:
    x, y = layer.x - face.x, layer.y - face.y
    # The fringe stays above EYES_BOX, and the sides outside it.
    fringe = y + 0.295 - 0.198 * ((x + 0.06).abs() + 0.02).sqrt()
    temple = 2.5 * (x.abs() - 0.267).clamp_min(0)
    line = torch.maximum((fringe - temple) * 0.7, y - 0.02)
    shape = torch.maximum(_skull(face, layer, 0.025), line)
    layer.paint(cover(shape, layer.pixel), _strands(face, layer, hair))
    edge = torch.exp(-((line / 0.018) ** 2))
    layer.shade(0.3 * edge, 0.6 * hair)


def _nose(face: _Face, layer: Layer, skin: Tensor) -> None:
    x, y = layer.x - face.x, layer.y - face.y
    tip = ellipse(x, y - 0.075, 0.05, 0.034)
    bridge = segment(y - 0.015, x, 0.05, 0.018)
    layer.paint(cover(torch.minimum(tip, bridge), layer.pixel), skin * _rgb(0.95, 0.86, 0.84))
    layer.shade(0.7 * cover(ellipse(x, y - 0.085, 0.05, 0.026).abs() - 0.006, 0.02), skin * 0.7)
    nostril = ellipse(x.abs() - 0.022, y - 0.09, 0.011, 0.008)
    layer.shade(0.8 * cover(nostril, layer.pixel), skin * _rgb(0.45, 0.3, 0.3))
    layer.shade(0.7 * cover(ellipse(x + 0.01, y - 0.06, 0.012, 0.009), 0.015), 0.5 + 0.5 * skin)


def _mouth(face: _Face, layer: Layer) -> None:
    x = layer.x - face.x
    half = 0.14
    bend = face.span("smile", -0.035, 0.048)
    gape = face.span("mouth_open", 0.0, 0.068)
    y = layer.y - face.y - 0.2345 + bend * ((x / half) ** 2 - 0.15)
    lips = ellipse(x, y, half, 0.026 + gape)
    colour = face.mix("lip_light", (0.42, 0.02, 0.1), (1.0, 0.55, 0.5))
    layer.paint(cover(lips, layer.pixel), colour)
    layer.shade(0.5 * torch.exp(-((x / 0.05) ** 2) - ((y - gape - 0.012) / 0.008) ** 2), 0.5 + 0.5 * colour)
    inside = ellipse(x, y, half - 0.018, 0.004 + gape)
    inner = cover(inside, layer.pixel)
    layer.shade(inner, _rgb(0.26, 0.03, 0.07))
    tongue = ellipse(x, y - 0.9 * gape, half * 0.6, 0.5 * gape + 0.004)
    layer.shade(inner * cover(tongue, layer.pixel), _rgb(0.9, 0.36, 0.4))
    layer.shade(inner * cover(y + 0.25 * gape, layer.pixel), _rgb(1.0, 0.99, 0.96))


def _eyes(face: _Face, layer: Layer) -> None:
    accent = face.rgb("accent", 0.03, 0.97)
    y = layer.y - face.y + 0.045
    for sign in (-1, 1):
        x = layer.x - face.x - sign * 0.115
        _eye(face, layer, x, y, accent)
        bar = segment(x, y + 0.1 - 4 * (x - sign * 0.01) ** 2, 0.055, 0.011)
        layer.paint(cover(bar, layer.pixel), _rgb(0.16, 0.11, 0.1))
    frame = face.span("glasses", -0.009, 0.028)
    shown = (frame / layer.pixel).clamp(0, 1)
    x = layer.x - face.x
    lens = superellipse(x.abs() - 0.115, y, 0.09, 0.08, 3.0)
    bridge = segment(x, y + 0.015, 0.02, 0.4 * frame)
    layer.paint(shown * 0.25 * cover(lens, layer.pixel), accent)
    layer.paint(shown * cover(torch.minimum(lens.abs() - 0.5 * frame, bridge), layer.pixel), accent)


def _eye(face: _Face, layer: Layer, x: Tensor, y: Tensor, accent: Tensor) -> None:
    ball = ellipse(x, y, 0.077, 0.067)
    white = cover(ball, layer.pixel)
    layer.paint(white, _rgb(0.98, 0.98, 0.99))
    gaze_x, gaze_y = x - face.span("gaze_x", -0.04, 0.04), y - 0.004
    iris = _rgb(0.3, 0.45, 0.7)
    layer.shade(white * cover(ellipse(gaze_x, gaze_y, 0.042, 0.042), layer.pixel), iris)
    layer.shade(white * cover(ellipse(gaze_x, gaze_y, 0.019, 0.019), layer.pixel), _rgb(0.03, 0.03, 0.05))
    layer.shade(white * cover(ellipse(gaze_x + 0.012, gaze_y + 0.013, 0.009, 0.009), layer.pixel), _rgb(1, 1, 1))
    lid = y - face.span("eye_open", 0.008, -0.053) - 2.5 * x * x
    layer.shade(white * cover(lid, layer.pixel), accent)
    layer.shade(white * cover(lid.abs() - 0.006, layer.pixel), _rgb(0.12, 0.08, 0.08))
