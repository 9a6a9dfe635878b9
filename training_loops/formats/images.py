"""Opens untrusted images: the format is detected from the content, and the number of pixels is bounded."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import PIL.Image

from training_loops.errors import InputError

# Pillow opens many more formats, some of them by starting other programs (EPS: Ghostscript).
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
# What Pillow's readers raise on invalid files; TypeError and struct.error where EXIF is damaged.
BROKEN_IMAGE: tuple[type[Exception], ...] = (
    *(OSError, ValueError, TypeError, SyntaxError, EOFError, LookupError, ArithmeticError, MemoryError, RuntimeError),
    *(AttributeError, struct.error, zlib.error, PIL.Image.DecompressionBombError),
)
# Every scan of a progressive JPEG processes all pixels again; programs write about 10.
_MOST_SCANS = 100
_SCAN = b"\xff\xda"


@contextmanager
def opened_image(data: bytes, what: str, *, most: int, formats: tuple[str, ...] = FORMATS) -> Iterator[PIL.Image.Image]:
    """Open an image of at most `most` pixels; all errors of reading it are raised as InputError.

    Args:
        data: the file.
        what: its name, for messages.
        most: pixels.
        formats: Pillow's names of the accepted formats.
    Raises:
        InputError: another format, more pixels (checked before decoding), or damaged.
    """
    try:
        with _opened(data, formats) as image:
            width, height = image.size
            if width * height > most:
                raise InputError(f"{width} x {height} pixels, expected at most {most / 1e6:.3g} million")
            check_scans(data, image.format)
            yield image
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
    except PIL.UnidentifiedImageError as error:
        raise InputError(f"{what} is not a readable image (expected {' or '.join(formats)})") from error
    except BROKEN_IMAGE as error:
        raise InputError(f"{what} is not a readable image ({str(error)[:200] or type(error).__name__})") from error


def check_scans(data: bytes, kind: str | None) -> None:
    """Raise InputError for a JPEG with so many scans that it would take very long to decode."""
    if kind in ("JPEG", "MPO") and data.count(_SCAN) > _MOST_SCANS:
        raise InputError(f"more than {_MOST_SCANS} scans; save it again with another program")


def _opened(data: bytes, formats: tuple[str, ...]) -> PIL.Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)  # our own limit is lower
        return PIL.Image.open(io.BytesIO(data), formats=formats)
