"""SSIM, the structural similarity of two images (Wang, Bovik, Sheikh and Simoncelli 2004)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ..errors import LinkGANError

WINDOW, _SIGMA = 11, 1.5
# C1 = (K1 L)^2, C2 = (K2 L)^2 with K1 = .01, K2 = .03 and the range of values L = 2
_C1, _C2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2


@torch.no_grad()
def ssim(images: Tensor, others: Tensor) -> Tensor:
    """Return the structural similarity of images and others, computed in double precision.

    ``SSIM = (2 mu_x mu_y + C1) (2 sigma_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (sigma_x^2 + sigma_y^2 + C2))`` (Eq. 13) in
    every window of 11 x 11 pixels that lies inside the image, weighted by a Gaussian of sigma 1.5 (Eq. 14 to 16); the
    mean over windows (Eq. 17) and over channels.

    Args:
        images: [N, C, H, W] in [-1, 1]; other values are clipped, as in image files.
        others: [N, C, H, W].
    Returns:
        float64 [N], at most 1, which equal images have.
    Raises:
        LinkGANError: images of different shapes, or smaller than a window.
    """
    if images.shape != others.shape or images.ndim != 4:
        raise LinkGANError(f"images {list(images.shape)} and {list(others.shape)}, expected the same [N, C, H, W]")
    if min(images.shape[2:]) < WINDOW:
        height, width = images.shape[2:]
        raise LinkGANError(f"images of {width} x {height} pixels; SSIM needs at least {WINDOW} x {WINDOW}")
    x, y = (part.double().clamp(-1, 1).flatten(0, 1).unsqueeze(1) for part in (images, others))
    # sigma_x^2 = E x^2 - mu_x^2,  sigma_xy = E xy - mu_x mu_y, with weights that sum to 1 (Eq. 14 to 16)
    mu_x, mu_y, xx, yy, xy = (_averaged(part) for part in (x, y, x * x, y * y, x * y))
    luminance = (2 * mu_x * mu_y + _C1) / (mu_x * mu_x + mu_y * mu_y + _C1)
    structure = (2 * (xy - mu_x * mu_y) + _C2) / (xx - mu_x * mu_x + yy - mu_y * mu_y + _C2)
    return (luminance * structure).view(*images.shape[:2], -1).mean(dim=(1, 2))


def _averaged(values: Tensor) -> Tensor:
    """Return the weighted means of every window, [M, 1, H - 10, W - 10], of values [M, 1, H, W]."""
    place = torch.arange(WINDOW, dtype=values.dtype, device=values.device) - WINDOW // 2
    line = torch.exp(-place.square() / (2 * _SIGMA**2))
    line = line / line.sum()
    return conv2d(conv2d(values, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))
