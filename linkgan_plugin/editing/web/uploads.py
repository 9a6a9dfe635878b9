"""Photographs that come from outside: what is taken, and how large, decided before anything is decoded."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

from PIL import Image, ImageOps

from ...errors import LinkGANError

MOST_BYTES = 32 * 2**20
MOST_PIXELS = 64 * 10**6
LEAST_SIDE = 8
# What each kind of file begins with: the name of a file and what the sender calls it are not looked at.
SIGNATURES = {
    "PNG": (b"\x89PNG\r\n\x1a\n", b""),
    "JPEG": (b"\xff\xd8\xff", b""),
    "WEBP": (b"RIFF", b"WEBP"),  # with the length of the file between them
}
# What Pillow's readers of these three raise on files that are not what they claim.
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error, OverflowError, MemoryError)


class UploadError(LinkGANError):
    """A file that is no photograph we take."""


def open_photograph(data: bytes) -> Image.Image:
    """Return the photograph in a PNG, JPEG or WebP file: RGB, upright, transparency on white, the first of several.

    Raises:
        UploadError: another kind of file, one that is broken, or one of too many pixels.
    """
    kind = _kind(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            with Image.open(io.BytesIO(data), formats=[kind]) as image:
                _check_size(*image.size)
                image.load()
                return _plain(image)
    except UploadError:
        raise
    except (*_BROKEN, Image.DecompressionBombError) as error:
        raise UploadError(f"this {kind} file is broken and cannot be read") from error


def _kind(data: bytes) -> str:
    for kind, (start, later) in SIGNATURES.items():
        if data.startswith(start) and data[8 : 8 + len(later)] == later:
            return kind
    raise UploadError("this is not a photograph that can be opened here; choose a PNG, JPEG or WebP file")


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise UploadError(
            f"this photograph has {width} x {height} pixels; choose one of at most {MOST_PIXELS / 10**6:g} million"
        )
    if min(width, height) < LEAST_SIDE:
        raise UploadError(f"this photograph has {width} x {height} pixels; choose one of at least {LEAST_SIDE} a side")


def _plain(image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    if "A" not in upright.getbands() and "transparency" not in upright.info:
        return upright.convert("RGB")
    clear = upright.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
