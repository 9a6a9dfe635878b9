"""Noise regularisation: optimised noise maps stay uncorrelated at every scale (Karras et al. 2020, appendix D)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

_COARSEST = 8


def autocorrelation(noise: Iterable[Tensor]) -> Tensor:
    """Return the regularisation loss L_{i,j}, summed over maps i and scales j, [N].

    ``L_{i,j} = (mean n(x, y) n(x-1, y))^2 + (mean n(x, y) n(x, y-1))^2``, with wrap-around. The next scale averages
    2 x 2 pixels and multiplies by 2, which keeps the variance of independent numbers; the last has at least 8 pixels.

    Args:
        noise: maps [N, 1, R, R].
    """
    terms = []
    for level in noise:
        while True:
            for dim in (2, 3):
                terms.append((level * level.roll(1, dims=dim)).mean(dim=(1, 2, 3)).square())
            if min(level.shape[2:]) < 2 * _COARSEST:
                break
            level = 2 * avg_pool2d(level, 2)
    return torch.stack(terms).sum(dim=0)


@torch.no_grad()
def normalise(noise: Iterable[Tensor]) -> None:
    """Normalise every map [N, 1, R, R] to mean 0 and variance 1 per image, in place."""
    for level in noise:
        level -= level.mean(dim=(1, 2, 3), keepdim=True)
        level *= level.square().mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-20).rsqrt()
