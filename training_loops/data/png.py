"""Decodes and encodes the images of a data set: uint8 [C, H, W] arrays, PNG by pyspng where it is installed."""

from __future__ import annotations

import io
import struct

import numpy as np
import PIL.Image

try:
    import pyspng
except ImportError:  # slower, the same pixels
    pyspng = None

# The number of channels of each PNG colour type; a palette (3) holds colours.
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
HEADER_BYTES = 33


def is_image(name: str) -> bool:
    """Return whether `name` has the extension of an image format, as the hosts decide it."""
    PIL.Image.init()
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    return suffix in PIL.Image.EXTENSION and not name.startswith("__MACOSX/")


def png_shape(header: bytes) -> tuple[int, int, int] | None:
    """Return (channels, height, width) from the first HEADER_BYTES of a PNG, None if they are no PNG's."""
    if len(header) < HEADER_BYTES or header[:8] != b"\x89PNG\r\n\x1a\n" or header[12:16] != b"IHDR":
        return None
    width, height, _, kind = struct.unpack(">IIBB", header[16:26])
    return _PNG_CHANNELS.get(kind, 0), height, width


def decode(data: bytes) -> np.ndarray:
    """Return the image in `data` as uint8 [C, H, W]. Raises ValueError or OSError when it is damaged."""
    if pyspng is not None and data[:4] == b"\x89PNG" and data[25:26] != b"\x03":
        try:
            pixels = pyspng.load(data)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
    else:
        try:
            image = PIL.Image.open(io.BytesIO(data))
        except PIL.UnidentifiedImageError as error:  # its message would name a buffer
            raise ValueError("no image of a known kind") from error
        plain = {"P": "RGB", "1": "L"}.get(image.mode)
        pixels = np.array(image.convert(plain) if plain else image)
    if pixels.dtype != np.uint8:
        raise ValueError(f"its pixels are {pixels.dtype}, expected 8 bits per channel")
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def encode(pixels: np.ndarray) -> bytes:
    """Return uint8 [H, W, 3], [H, W, 1] or [H, W] as an uncompressed PNG, as the hosts' own tool writes them."""
    buffer = io.BytesIO()
    flat = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    PIL.Image.fromarray(flat).save(buffer, "png", compress_level=0)
    return buffer.getvalue()
