"""Converts images between uint8 in [0, 255] and float32 in [-1, 1]."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_float(pixels: np.ndarray | Tensor) -> Tensor:
    """Return x / 127.5 - 1.

    Args:
        pixels: uint8, any shape.
    Returns:
        float32 in [-1, 1], same shape and device.
    """
    return torch.as_tensor(pixels).to(torch.float32) / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Return 127.5 (x + 1), rounded to the nearest integer; values outside [-1, 1] are clipped.

    Args:
        images: floating point in [-1, 1], any shape.
    Returns:
        uint8, same shape and device.
    """
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
