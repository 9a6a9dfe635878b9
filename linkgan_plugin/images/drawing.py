"""Drawing on and next to images: heat maps, outlines, captions."""

from __future__ import annotations

from functools import cache

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .pixels import Pixels

INK, PAPER = (32, 32, 36), (255, 255, 255)
# |difference| that is drawn as the brightest colour; the largest possible is 2, for images in [-1, 1]. The fixed scale
# makes sheets comparable.
HOTTEST = 0.8


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
    """Return Pillow's default font at a size in pixels."""
    return ImageFont.load_default(size)


def caption(text: str, width: int, height: int, *, size: int = 14, bold: bool = False) -> Pixels:
    """Return a strip [height, width, 3] with `text` centred on white, shrunk to fit."""
    strip = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(strip)
    while size > 8 and draw.textlength(text, font=font(size)) > width - 4:
        size -= 1
    draw.text((width / 2, height / 2), text, fill=INK, font=font(size), anchor="mm", stroke_width=0.4 if bold else 0)
    return np.asarray(strip)
