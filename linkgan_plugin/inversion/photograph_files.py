"""Opening photographs: EXIF orientation, transparency and 16-bit grey; and their conversion to tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from training_loops.formats.budget import PHOTOGRAPH_FILE, PHOTOGRAPH_PIXELS
from training_loops.formats.files import read_file
from training_loops.formats.images import FORMATS, opened_image
from training_loops.formats.pixels import to_float
from training_loops.formats.text import printable

from ..errors import LinkGANError
from ..images.pixels import check_channels

_PHOTOGRAPHS = (*FORMATS, "TIFF")  # scanners write 16-bit grey as TIFF


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file for reading, within the limits of `budget`.

    Raises:
        LinkGANError: the file is unreadable, broken or too large; the message names it.
    """
    data = read_file(path, PHOTOGRAPH_FILE)
    try:
        with opened_image(data, str(path), most=PHOTOGRAPH_PIXELS, formats=_PHOTOGRAPHS) as image:
            yield image
    except LinkGANError as error:
        raise LinkGANError(printable(str(error))) from error


def upright(image: Image.Image) -> Image.Image:
    """Return an image as RGB, rotated as its EXIF orientation says, with transparent parts on white.

    Raises:
        LinkGANError: pixels of more than 16 bits, or floating point ones: their range is unknown.
    """
    image = _eight_bits(ImageOps.exif_transpose(image))
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Keep the upper 8 of 16 grey bits, as Pillow does for colours. Its conversion of 16-bit grey clips at 255."""
    if not image.mode.startswith(("I", "F")):
        return image
    pixels = np.asarray(image)
    if image.mode == "F" or pixels.min() < 0 or pixels.max() > 0xFFFF:
        raise LinkGANError(
            f"pixels from {pixels.min():g} to {pixels.max():g}, expected 8 or 16 bits each; save it as 8 or 16-bit PNG"
        )
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def from_pixels(photograph: Image.Image, channels: int = 3) -> Tensor:
    """Convert a photograph to float32 [1, channels, H, W] in [-1, 1].

    One channel is the brightness; a fourth channel is alpha, fully opaque.


    Raises:
        LinkGANError: other channels than 1, 3 or 4.
    """
    check_channels(channels)
    pixels = torch.from_numpy(np.array(photograph.convert("L" if channels == 1 else "RGB")))
    pixels = pixels.reshape(*pixels.shape[:2], -1).permute(2, 0, 1)
    image = to_float(pixels).unsqueeze(0)
    return torch.cat([image, torch.ones_like(image[:, :1])], dim=1) if channels == 4 else image
