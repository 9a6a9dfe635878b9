"""Checks of uploaded photographs: file type and size, before anything is decoded."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from training_loops.formats.images import BROKEN_IMAGE, check_scans

from ..errors import LinkGANError
from ..inversion.photograph_files import upright

MOST_BYTES = 32 * 2**20
MOST_PIXELS = 16 * 10**6  # 4 bytes each, in four copies while rotated and cropped: 256 MB
LEAST_SIDE = 8
# The first bytes of each kind of file; file names and content types are ignored.
SIGNATURES = {
    "PNG": (b"\x89PNG\r\n\x1a\n", b""),
    "JPEG": (b"\xff\xd8\xff", b""),
    "WEBP": (b"RIFF", b"WEBP"),  # with the length of the file between them
}


class UploadError(LinkGANError):
    """An uploaded file that is not an accepted photograph."""


def open_photograph(data: bytes) -> Image.Image:
    """Return the photograph in a PNG, JPEG or WebP file, upright (see `upright`); the first of several.

    Raises:
        UploadError: another kind of file, a broken one, or one with too many pixels.
    """
    kind = _kind(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is checked below
            with Image.open(io.BytesIO(data), formats=[kind]) as image:
                _check_size(*image.size)
                check_scans(data, kind)
                return upright(image)
    except LinkGANError:
        raise
    except BROKEN_IMAGE as error:
        raise UploadError(f"this {kind} file is broken and cannot be read") from error


def _kind(data: bytes) -> str:
    for kind, (start, later) in SIGNATURES.items():
        if data.startswith(start) and data[8 : 8 + len(later)] == later:
            return kind
    raise UploadError("this file is not a readable photograph; choose a PNG, JPEG or WebP file")


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise UploadError(
            f"this photograph has {width} x {height} pixels; choose one with at most {MOST_PIXELS / 10**6:g} million"
        )
    if min(width, height) < LEAST_SIDE:
        raise UploadError(
            f"this photograph has {width} x {height} pixels; choose one with at least {LEAST_SIDE} per side"
        )
