"""Blurs the discriminator's images, so that it learns coarse structure first (Karras et al. 2021, appendix F)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Blur images [N, C, H, W] by `sigma` pixels: a neighbour at that distance has half the weight of the pixel itself.

    Borders are repeated, so that a constant image stays unchanged. Weights end at 3 sigma; below a third of a pixel the
    images are returned unchanged.
    """
    reach = math.floor(3 * sigma)
    if reach == 0:
        return images
    distance = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp2(-(distance / sigma).square())
    weights = weights / weights.sum()
    channels = images.shape[1]
    wide = F.pad(images, [reach] * 4, mode="replicate")
    rows = F.conv2d(wide, weights.expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(rows, weights[:, None].expand(channels, 1, -1, 1), groups=channels)
