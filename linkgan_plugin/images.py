"""Pictures from tensors: 8-bit conversion, enlarging, heat maps, outlines and captions."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
from torch import Tensor

from training_loops.formats.atomic import write_bytes

from .errors import LinkGANError

Pixels = npt.NDArray[np.uint8]

CHANNELS = {1: "grey", 3: "RGB", 4: "RGB and alpha"}

INK, PAPER = (32, 32, 36), (255, 255, 255)
# |difference| that is drawn as the hottest colour; images are in [-1, 1], so 2 is the largest there is. One fixed
# scale makes sheets comparable with one another.
HOTTEST = 0.8


def check_channels(count: int) -> None:
    """Refuse images that cannot be shown.

    Raises:
        LinkGANError: images of other channels than `CHANNELS`.
    """
    if count not in CHANNELS:
        kinds = ", ".join(f"{number} ({name})" for number, name in CHANNELS.items())
        raise LinkGANError(f"images of {count} channels cannot be shown, edited or projected; expected {kinds}")


def rgb(images: Tensor) -> Tensor:
    """Images [N, 1, 3 or 4, H, W] in [-1, 1] -> [N, 3, H, W]: grey thrice, RGBA over white (alpha: -1 clear, 1 opaque).

    Raises:
        LinkGANError: images of other channels.
    """
    channels = images.shape[1]
    check_channels(channels)
    if channels != 4:
        return images.expand(-1, 3, -1, -1)
    alpha = ((images[:, 3:] + 1) / 2).clamp(0, 1)
    return images[:, :3] * alpha + (1 - alpha)


def to_pixels(images: Tensor) -> Pixels:
    """Images [N, C, H, W] in [-1, 1], C as for `rgb` -> uint8 [N, H, W, 3]; values outside are clipped."""
    scaled = ((rgb(images.float()) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).cpu().numpy()


def enlarge(pixels: Pixels, size: int) -> Pixels:
    """Enlarge [N, H, W, 3] by whole factors (nearest) so that a side is about `size`; never shrinks."""
    factor = max(1, round(size / pixels.shape[2]))
    return pixels.repeat(factor, axis=1).repeat(factor, axis=2)


def heat(difference: Tensor) -> Pixels:
    """Mean absolute differences [N, H, W] (images in [-1, 1]) -> uint8 [N, H, W, 3], black = none, bright = much."""
    colours = matplotlib.colormaps["inferno"](np.clip(difference.float().cpu().numpy() / HOTTEST, 0, 1))
    return (colours[..., :3] * 255).round().astype(np.uint8)


def outline(cell: Pixels, mask: npt.NDArray[np.float32], colour: tuple[int, int, int]) -> Pixels:
    """Draw the border of a mask [h, w] on a cell [H, W, 3]; the mask is enlarged to the cell."""
    height, width = cell.shape[:2]
    inside = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)) >= 0.5
    padded = np.pad(inside, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    drawn = cell.copy()
    drawn[inside & ~core] = colour
    return drawn


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font at a size in pixels."""
    return ImageFont.load_default(size)


def caption(text: str, width: int, height: int, *, size: int = 14, bold: bool = False) -> Pixels:
    """Return a strip [height, width, 3] with `text` centred on white, shrunk to fit."""
    strip = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(strip)
    while size > 8 and draw.textlength(text, font=font(size)) > width - 4:
        size -= 1
    draw.text((width / 2, height / 2), text, fill=INK, font=font(size), anchor="mm", stroke_width=0.4 if bold else 0)
    return np.asarray(strip)


def png_bytes(pixels: Pixels, metadata: dict[str, str] | None = None) -> bytes:
    """Encode [H, W, 3] as PNG, with text metadata."""
    info = PngImagePlugin.PngInfo()
    for key, value in (metadata or {}).items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", pnginfo=info, optimize=True)
    return buffer.getvalue()


def save_png(path: Path, pixels: Pixels, metadata: dict[str, str] | None = None) -> None:
    """Write [H, W, 3] as a PNG that carries `metadata` (command, seeds, spec)."""
    write_bytes(path, png_bytes(pixels, metadata))
