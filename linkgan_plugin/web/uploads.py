"""Checks of uploaded photographs: file type and size, before anything is decoded."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from training_loops.formats.images import BROKEN_IMAGE, check_scans

from ..errors import LinkGANError
from ..inversion.photograph_files import upright

MOST_BYTES = 32 * 2**20
MOST_PIXELS = 16 * 10**6  # 4 bytes each, four times while they are turned and cut: 256 MB
LEAST_SIDE = 8
# What each kind of file begins with: the name of a file and what the sender calls it are not looked at.
SIGNATURES = {
    "PNG": (b"\x89PNG\r\n\x1a\n", b""),
    "JPEG": (b"\xff\xd8\xff", b""),
    "WEBP": (b"RIFF", b"WEBP"),  # with the length of the file between them
}


class UploadError(LinkGANError):
    """An uploaded file that is not an accepted photograph."""


def open_photograph(data: bytes) -> Image.Image:
    """Return the photograph in a PNG, JPEG or WebP file as people see it (see `upright`), the first of several.

    Raises:
        UploadError: another kind of file, one that is broken, or one of too many pixels.
    """
    kind = _kind(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
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
    raise UploadError("this is not a photograph that can be opened here; choose a PNG, JPEG or WebP file")


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise UploadError(
            f"this photograph has {width} x {height} pixels; choose one of at most {MOST_PIXELS / 10**6:g} million"
        )
    if min(width, height) < LEAST_SIDE:
        raise UploadError(f"this photograph has {width} x {height} pixels; choose one of at least {LEAST_SIDE} a side")
