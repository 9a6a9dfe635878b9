"""The region kind `mask(file.png)`: a grayscale or alpha image, area-resized to any resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from PIL import Image

from training_loops.errors import InputError
from training_loops.formats.budget import MASK_SIDE
from training_loops.formats.images import opened_image
from training_loops.formats.text import printable

from ..errors import LinkGANError
from .base import Read, StaticRegion, expression, pixel_shares

USAGE = (
    "mask(file.png): a grayscale PNG, white where the region is (255, not 1), or a PNG with transparency, opaque where "
    "it is"
)
_LEAST_WHITE = 1 / 16  # smallest maximum of a mask, as a share of white; masks of 0 and 1 and label maps are below


@dataclass(frozen=True)
class MaskImage(StaticRegion):
    """The white (or opaque) part of a PNG stretched over the image; `data` holds the file's bytes."""

    name: str
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.shares.any():
            raise LinkGANError(f"mask '{self.name}' is empty: no pixel is white (or opaque); use {USAGE}")
        if self.shares.max() < _LEAST_WHITE:
            raise LinkGANError(
                f"mask '{self.name}' is almost black: its largest value is {_percent(self.shares.max())} of white; "
                f"multiply a mask of 0 and 1 by 255, and use {USAGE}"
            )

    @classmethod
    def parse(cls, args: Sequence[str], read: Read) -> MaskImage:
        """Return the mask of one PNG file. Raises LinkGANError if it cannot be read, is not a mask, or is empty."""
        if len(args) != 1:
            raise LinkGANError(f"mask takes one file, not {len(args)}; write {USAGE}")
        return cls(args[0], read(args[0]))

    @cached_property
    def shares(self) -> np.ndarray:
        """The image as float32 [height, width] in [0, 1], at its own size."""
        return _decode(self.name, self.data)

    def coverage(self, height: int, width: int) -> np.ndarray:
        """Float32 [height, width]: the mean of the image over each pixel, with image pixels as uniform squares."""
        rows, columns = (_side(own, count) for own, count in zip(self.shares.shape, (height, width), strict=True))
        return np.clip(rows.T @ self.shares @ columns, 0.0, 1.0).astype(np.float32)

    def files(self) -> dict[str, bytes]:
        return {self.name: self.data}

    def __str__(self) -> str:
        return expression("mask", [self.name])


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _side(own: int, count: int) -> np.ndarray:
    """Return the share of each of `count` pixels that each of the image's `own` pixels covers: [own, count]."""
    edges = np.arange(own + 1) / own
    return pixel_shares(edges[:-1], edges[1:], count)


def _decode(name: str, data: bytes) -> np.ndarray:
    """Return a PNG's alpha, or its gray values if it has none, as float32 [H, W] in [0, 1]."""
    if not data:
        raise LinkGANError(f"mask '{name}' is an empty file; use {USAGE}")
    try:
        with opened_image(data, f"mask '{name}'", most=MASK_SIDE**2) as image:
            image.load()
    except InputError as error:
        raise LinkGANError(printable(f"mask '{name}' cannot be read as an image ({error}); use {USAGE}")) from error
    if image.format != "PNG":
        raise LinkGANError(f"mask '{name}' is a {image.format} file, not a PNG; use {USAGE}")
    if image.has_transparency_data:
        return _alpha(name, image)
    if image.mode.startswith("I"):  # 16-bit gray
        return np.asarray(image, dtype=np.float32) / 65535
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"), dtype=np.float32) / 255
    return _gray(name, np.asarray(image.convert("RGB")))


def _alpha(name: str, image: Image.Image) -> np.ndarray:
    """Return the alpha channel as shares. Raises LinkGANError if it is opaque everywhere."""
    alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
    if (alpha == 255).all():
        raise LinkGANError(
            f"mask '{name}' has an alpha channel that is opaque everywhere, so it selects the whole image; "
            "save it as grayscale without alpha, or make the outside transparent"
        )
    return alpha.astype(np.float32) / 255


def _gray(name: str, rgb: np.ndarray) -> np.ndarray:
    """Return the one channel of a gray image that was saved as colour uint8 [H, W, 3]."""
    if (rgb != rgb[:, :, :1]).any():
        raise LinkGANError(f"mask '{name}' is a colour image; use {USAGE}")
    return rgb[:, :, 0].astype(np.float32) / 255
