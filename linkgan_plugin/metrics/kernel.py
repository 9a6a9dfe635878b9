"""Unbiased kernel distance between two sets of feature vectors, without a Gaussian model (Binkowski et al. 2018).

KID is this distance on Inception features.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import LinkGANError
from .estimate import Array, Estimate, mean

BLOCKS = 10
# Most vectors of one set in a block: the usual subset size; it bounds the cost of a kernel matrix.
MOST = 1000


def kernel_distance(first: Tensor | Array, second: Tensor | Array, *, seed: int = 0, blocks: int = BLOCKS) -> Estimate:
    """Return the unbiased squared maximum mean discrepancy of two sets of features, with its standard error.

    Each set is divided into `blocks` disjoint subsets. The value is the mean over the subsets, which are independent,
    so its standard error is that of a mean. (Overlapping subsets, as many implementations draw them, have the same
    mean, but their spread is not a standard error.)

    Args:
        first: features [N, F], N at least 2 per block.
        second: features [M, F].
        seed: seed of the random division; with it, the order of images does not matter.
        blocks: number of subsets, at least 2. Sets of fewer than 2 x `blocks` vectors get fewer.
    Returns:
        0 on average for equal distributions, so it can be below 0; `n` is the number of blocks.
    Raises:
        LinkGANError: other shapes, too few vectors, or numbers that are not finite.
    """
    return mean(block_distances(first, second, seed=seed, blocks=blocks))


def block_distances(first: Tensor | Array, second: Tensor | Array, *, seed: int = 0, blocks: int = BLOCKS) -> Array:
    """Return the kernel distance of every block, float64 [B]; arguments and errors are those of `kernel_distance`.

    Sets of equal size are divided alike, so the blocks of two sets that share their seeds are paired.

    Raises:
        LinkGANError: as `kernel_distance`.
    """
    a, b = _checked(first), _checked(second)
    if a.shape[1] != b.shape[1]:
        raise LinkGANError(f"the sets have {a.shape[1]} and {b.shape[1]} feature dimensions, expected the same")
    blocks = min(blocks, min(len(a), len(b)) // 2)
    if blocks < 2:
        raise LinkGANError(f"{len(a)} and {len(b)} feature vectors, expected at least 4 of each")
    random = np.random.default_rng(seed)
    parts = zip(_parts(a, blocks, random), _parts(b, blocks, random), strict=True)
    return np.array([squared_discrepancy(one, other) for one, other in parts])


def squared_discrepancy(first: Array, second: Array) -> float:
    """Return the unbiased squared maximum mean discrepancy of features [n, F] and [m, F], n and m at least 2."""
    # MMD^2 = sum_{i != j} k(x_i, x_j) / n(n-1) + sum_{i != j} k(y_i, y_j) / m(m-1) - 2 sum_ij k(x_i, y_j) / nm
    # k(x, y) = (x . y / F + 1)^3
    within = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (_kernel(x, x) for x in (first, second)))
    return float(within - 2 * _kernel(first, second).mean())


def _kernel(first: Array, second: Array) -> Array:
    values: Array = (first @ second.T / first.shape[1] + 1) ** 3
    return values


def _parts(features: Array, blocks: int, random: np.random.Generator) -> list[Array]:
    shuffled = features[random.permutation(len(features))]
    return [part[:MOST] for part in np.array_split(shuffled, blocks)]


def _checked(features: Tensor | Array) -> Array:
    if isinstance(features, Tensor):
        features = features.detach().to("cpu", torch.float64).numpy()
    array = np.asarray(features, np.float64)
    if array.ndim != 2:
        raise LinkGANError(f"features have shape {list(array.shape)}, expected [N, F]")
    if not np.isfinite(array).all():
        raise LinkGANError("features are not finite: the images or the network are broken")
    return array
