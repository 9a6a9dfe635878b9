"""Converts image tensors to 8-bit RGB pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from training_loops.formats.pixels import to_uint8

from ..errors import LinkGANError

Pixels = npt.NDArray[np.uint8]

CHANNELS = {1: "grey", 3: "RGB", 4: "RGB and alpha"}


def check_channels(count: int) -> None:
    """Reject images that cannot be shown.

    Raises:
        LinkGANError: a number of channels that is not in `CHANNELS`.
    """
    if count not in CHANNELS:
        kinds = ", ".join(f"{number} ({name})" for number, name in CHANNELS.items())
        raise LinkGANError(f"images of {count} channels cannot be shown, edited or projected; expected {kinds}")


def rgb(images: Tensor) -> Tensor:
    """Images [N, 1, 3 or 4, H, W] in [-1, 1] -> [N, 3, H, W]: grey repeated, RGBA over white (alpha -1 = clear).

    Raises:
        LinkGANError: another number of channels.
    """
    channels = images.shape[1]
    check_channels(channels)
    if channels != 4:
        return images.expand(-1, 3, -1, -1)
    alpha = ((images[:, 3:] + 1) / 2).clamp(0, 1)
    return images[:, :3] * alpha + (1 - alpha)


def to_pixels(images: Tensor) -> Pixels:
    """Images [N, C, H, W] in [-1, 1], C as for `rgb` -> uint8 [N, H, W, 3]; other values are clipped."""
    scaled = to_uint8(rgb(images.float()))
    return scaled.permute(0, 2, 3, 1).cpu().numpy()


def enlarge(pixels: Pixels, size: int) -> Pixels:
    """Enlarge [N, H, W, 3] by whole factors (nearest) so that a side is about `size`; never shrinks."""
    factor = max(1, round(size / pixels.shape[2]))
    return pixels.repeat(factor, axis=1).repeat(factor, axis=2)
