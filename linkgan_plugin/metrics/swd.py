"""Sliced Wasserstein distance of Laplacian pyramid patches, a quality measure that needs no trained network.

After Karras et al. 2018 (progressive growing of GANs, section 5): each level of the pyramid is one band of
frequencies; the patches of a level are compared as distributions, with the colour statistics of each set normalised
away. Values are multiplied by 1000 as in the paper. Coarse levels measure layout, fine ones edges and noise.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from linkgan_plugin.errors import LinkGANError
from training_loops.devices import constant

_COARSEST = 16
_PATCH = 7
_DIRECTIONS_AT_ONCE = 32


@torch.no_grad()
def sliced_wasserstein(
    real: Tensor, fake: Tensor, *, seed: int = 0, patches: int = 64, directions: int = 128
) -> list[float]:
    """Return 1000 x the sliced Wasserstein-1 distance at each level, finest first, down to 16 pixels.

    Args:
        real: images [N, C, H, W] in [-1, 1].
        fake: images of the same shape.
        seed: seed of patch positions and directions. Positions differ between the sets: equal sets are near 0, not 0.
        patches: number of patches per image and level.
        directions: number of directions on which patches are projected.
    Raises:
        LinkGANError: the shapes differ, images are smaller than one 7x7 patch, or numbers are not finite.
    """
    if real.shape != fake.shape or real.ndim != 4 or not len(real):
        raise LinkGANError(
            f"images have shapes {list(real.shape)} and {list(fake.shape)}, expected the same [N, C, H, W]"
        )
    if min(real.shape[2:]) < _PATCH:
        raise LinkGANError(f"images are {real.shape[3]}x{real.shape[2]} pixels, expected at least {_PATCH}x{_PATCH}")
    if not (torch.isfinite(real).all() and torch.isfinite(fake).all()):
        raise LinkGANError("images are not finite: the data or the network are broken")
    random = torch.Generator().manual_seed(seed)
    levels = zip(laplacian_pyramid(real.cpu().float()), laplacian_pyramid(fake.cpu().float()), strict=True)
    distances = []
    for level_real, level_fake in levels:
        first = _descriptors(level_real, patches, random)
        second = _descriptors(level_fake, patches, random)
        distances.append(1000 * _distance(first, second, directions, random))
    return distances


def laplacian_pyramid(images: Tensor, coarsest: int = _COARSEST) -> list[Tensor]:
    """Return the details that each halving of images [N, C, H, W] removes, finest first, then the coarsest images.

    The coarsest images have at least `coarsest` (4 or more) pixels per side.
    """
    levels = []
    while min(images.shape[2:]) >= 2 * coarsest:
        smaller = _blur(images)[:, :, ::2, ::2]
        levels.append(images - _enlarge(smaller, images.shape[2:]))
        images = smaller
    return [*levels, images]


def _blur(images: Tensor) -> Tensor:
    # The binomial filter [1 4 6 4 1] / 16 (Burt and Adelson 1983) along each axis, with reflection padding.
    line = constant((1.0, 4.0, 6.0, 4.0, 1.0), images) / 16
    channels = images.shape[1]
    kernel = (line[:, None] * line).expand(channels, 1, 5, 5)
    return conv2d(pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=channels)


def _enlarge(images: Tensor, size: torch.Size) -> Tensor:
    """Undo [::2, ::2]: put its pixels back in place and interpolate the others."""
    height, width = size
    spread = images.new_zeros(*images.shape[:2], height, width)
    spread[:, :, ::2, ::2] = images
    weight = images.new_zeros(1, 1, height, width)
    weight[:, :, ::2, ::2] = 1
    return _blur(spread) / _blur(weight)


def _descriptors(level: Tensor, patches: int, random: torch.Generator) -> Tensor:
    """Return patches at random positions, [N * patches, 49 * C], each colour channel of the set normalised.

    (x - mean_c) / std_c, over all pixels of channel c in the set's patches.
    """
    count, channels, height, width = level.shape
    rows = torch.randint(height - _PATCH + 1, (count, patches), generator=random)
    columns = torch.randint(width - _PATCH + 1, (count, patches), generator=random)
    offset = torch.arange(_PATCH)
    found = level[
        torch.arange(count)[:, None, None, None],
        :,
        (rows[:, :, None] + offset)[:, :, :, None],
        (columns[:, :, None] + offset)[:, :, None, :],
    ]  # [N, patches, 7, 7, C]
    found = found.reshape(-1, _PATCH * _PATCH, channels)
    mean, deviation = found.mean((0, 1)), found.std((0, 1)).clamp_min(1e-8)
    return ((found - mean) / deviation).flatten(1)


def _distance(first: Tensor, second: Tensor, directions: int, random: torch.Generator) -> float:
    """Return the mean over random directions of the Wasserstein-1 distance of the projections."""
    # mean over directions u of  1/n sum_i |x_(i) - y_(i)|,  x_(i) the i-th smallest of u . first, y_(i) of u . second
    axes = torch.randn(first.shape[1], directions, generator=random)
    axes = axes / axes.norm(dim=0)
    total = 0.0
    for some in axes.split(_DIRECTIONS_AT_ONCE, dim=1):
        # numpy sorts several times faster than torch on a CPU.
        gaps = np.sort((some.T @ first.T).numpy()) - np.sort((some.T @ second.T).numpy())  # [directions, patches]
        total += float(np.abs(gaps).mean(1, dtype=np.float64).sum())
    return total / directions
