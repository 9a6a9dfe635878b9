"""Differences of two distances to the same data, with their standard error from blocks of images.

Two sets of images of one network that share their seeds, such as edited and unedited ones, and the data that both are
compared with, are divided alike. What both sets have in common then cancels in the difference of every block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .estimate import Array, Estimate
from .frechet import gaussian_distance
from .kernel import BLOCKS, block_distances
from .swd import sliced_wasserstein


@dataclass(frozen=True)
class Replicates:
    """A distance between two sets, and the same distance of parts of them.

    Attributes:
        value: of the whole sets.
        parts: float64 [B], of the parts.
        leaves_out: each part lacks one of B blocks (the jackknife); otherwise each part is one block.
    """

    value: float
    parts: Array
    leaves_out: bool = False


def difference(first: Replicates, second: Replicates) -> Estimate:
    """Return the first distance minus the second, paired by part.

    Args:
        first: of sets whose images have the seeds of those of `second`.
        second: against the same data.
    Returns:
        `n` is the number of parts; no standard error of fewer than two.
    """
    gaps = first.parts - second.parts
    count = len(gaps)
    value = first.value - second.value
    if count < 2:
        return Estimate(value, None, count)
    # d_j the difference of part j.  Blocks: SE^2 = sum_j (d_j - mean d)^2 / (B (B - 1))
    # One block left out (Efron and Stein 1981): SE^2 = (B - 1) / B sum_j (d_j - mean d)^2
    spread = float(np.square(gaps - gaps.mean()).sum())
    factor = (count - 1) / count if first.leaves_out else 1 / (count * (count - 1))
    return Estimate(value, math.sqrt(factor * spread), count)


def kernel_replicates(real: Tensor, fake: Tensor, value: float) -> Replicates:
    """Kernel distances of the blocks that `kernel_distance` takes its mean of.

    Args:
        real: features [N, F].
        fake: features [M, F].
        value: their kernel distance.
    """
    return Replicates(value, block_distances(real, fake))


def frechet_replicates(real: Tensor, fake: Tensor, value: float, blocks: int = BLOCKS) -> Replicates:
    """Frechet distances of the sets without one block each: a block alone would be too small for a covariance.

    Args:
        real: features [N, F].
        fake: features [M, F].
        value: their Frechet distance.
        blocks: at most this many; sets of fewer than 4 x `blocks` vectors get fewer.
    """
    count = _blocks(real, fake, blocks)
    pairs = zip(_moments_without(real, count), _moments_without(fake, count), strict=True)
    return Replicates(value, np.array([gaussian_distance(*one, *other) for one, other in pairs]), leaves_out=True)


def patch_replicates(real: Tensor, fake: Tensor, value: float, blocks: int = BLOCKS) -> Replicates:
    """Sliced Wasserstein distances of blocks of images.

    Args:
        real: images [N, C, H, W].
        fake: images [N, C, H, W].
        value: their sliced Wasserstein distance.
        blocks: at most this many; sets of fewer than 4 x `blocks` images get fewer.
    """
    count = _blocks(real, fake, blocks)
    pairs = zip(real.tensor_split(count), fake.tensor_split(count), strict=True)
    return Replicates(value, np.array([np.mean(sliced_wasserstein(one, other)) for one, other in pairs]))


def _blocks(real: Tensor, fake: Tensor, most: int) -> int:
    """Return a number of blocks of at least 4 each."""
    return max(1, min(most, len(real) // 4, len(fake) // 4))


def _moments_without(features: Tensor, blocks: int) -> list[tuple[Array, Array]]:
    """Return mean [F] and covariance [F, F] of features [N, F] without each block; nothing for a single block."""
    if blocks < 2:
        return []
    array: Array = features.detach().cpu().double().numpy()
    origin = array.mean(0)
    parts = np.array_split(array - origin, blocks)
    sums, products = [part.sum(0) for part in parts], [part.T @ part for part in parts]
    total, total_products = np.sum(sums, 0), np.sum(products, 0)
    found = []
    for part, own, own_products in zip(parts, sums, products, strict=True):
        # Of the n vectors y_i left: mean = sum y_i / n,  cov = (sum y_i y_i' - n mean mean') / (n - 1)
        n = len(array) - len(part)
        mean = (total - own) / n
        found.append((origin + mean, (total_products - own_products - n * np.outer(mean, mean)) / (n - 1)))
    return found
