"""Decodes and encodes the images of a data set, uint8 [C, H, W]; PNG is decoded by pyspng where installed."""

from __future__ import annotations

import io
import struct
from pathlib import PurePosixPath

import numpy as np
import PIL.Image

from training_loops.errors import InputError
from training_loops.formats.budget import DATA_SIDE
from training_loops.formats.images import opened_image

try:
    import pyspng
except ImportError:  # Pillow is slower and decodes the same pixels
    pyspng = None

# The number of channels of each PNG colour type; a palette (3) is in colour.
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
HEADER_BYTES = 33
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def is_image(name: str) -> bool:
    """Return whether `name` has the extension of an image format, by the hosts' rule."""
    PIL.Image.init()
    at = name.rfind(".")
    if at < 0 or name[at:].lower() not in PIL.Image.EXTENSION:
        return False
    # macOS adds files to folders and zips that are named like images but are not images.
    if "._" not in name and "__MACOSX" not in name:
        return True
    place = PurePosixPath(name.replace("\\", "/"))
    return not place.name.startswith("._") and "__MACOSX" not in place.parts


def png_shape(header: bytes) -> tuple[int, int, int] | None:
    """Return (channels, height, width) from the first HEADER_BYTES of a PNG, None for other data."""
    if len(header) < HEADER_BYTES or header[:8] != _SIGNATURE or header[12:16] != b"IHDR":
        return None
    width, height, _, kind = struct.unpack(">IIBB", header[16:26])
    return _PNG_CHANNELS.get(kind, 0), height, width


def decode(data: bytes, what: str = "the image") -> np.ndarray:
    """Return the image in `data` as uint8 [C, H, W]. Raises InputError, naming `what`, for invalid or large files."""
    shape = png_shape(data[:HEADER_BYTES])
    if shape is not None:
        check_side(*shape[1:], what)
    if pyspng is not None and shape is not None and data[25] != 3:
        try:
            pixels = pyspng.load(data)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise InputError(f"{what} is not a readable image ({error})") from error
    else:
        with opened_image(data, what, most=DATA_SIDE**2) as image:
            plain = {"P": "RGB", "1": "L"}.get(image.mode)
            pixels = np.array(image.convert(plain) if plain else image)
    if pixels.dtype != np.uint8:
        raise InputError(f"{what}: its pixels are {pixels.dtype}, expected 8 bits per channel")
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def check_side(height: int, width: int, what: str) -> None:
    """Raise InputError for an image larger than DATA_SIDE on a side."""
    if max(height, width) > DATA_SIDE:
        raise InputError(f"{what} is {width} x {height} pixels, expected at most {DATA_SIDE} per side; resize it first")


def encode(pixels: np.ndarray) -> bytes:
    """Return uint8 [H, W, 3], [H, W, 1] or [H, W] as an uncompressed PNG, as the hosts' own tool writes them."""
    buffer = io.BytesIO()
    flat = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    PIL.Image.fromarray(flat).save(buffer, "png", compress_level=0)
    return buffer.getvalue()
