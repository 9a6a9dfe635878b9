"""LowRankGAN (Low-Rank Subspaces in GANs, NeurIPS 2021): what changes region A, in the null space of the rest B.

J^T J = L + S, low rank and sparse, by robust principal component analysis: min ||L||_* + lambda ||S||_1. With N an
orthonormal basis of the null space of L_B, the directions are the principal vectors v_i of L_A projected: N N^T v_i.
J is averaged over samples and taken by whitened w (see `jacobians`).
"""

from __future__ import annotations

import numpy as np
import torch

from ..errors import LinkGANError
from .jacobians import Array, region_grams
from .task import Found, Method, Task

_ORDER = 1e-6  # share of J^T J in L: it orders the vectors that L, of low rank, leaves undetermined
_NEW = 1e-3  # least part of a projected vector that is not a combination of those before
_GROWTH, _TOLERANCE, _MOST = 1.2, 1e-9, 500  # of the penalty, of the residual, and iterations


def lowrank(task: Task, *, probes: int = 2048, null: int = 0, sparsity: float = 1.0, layers: str = "all") -> Found:
    """Return the principal vectors of the region, in the null space of the rest of the image.

    Args:
        task: the network and the region, in W or Z. Its count is honoured as far as the null space has dimensions.
        probes: images rendered, with two backward passes each; several times the axes of a latent.
        null: dimensions of the null space: more gives stronger directions, which leak more. 0 for all that the low-rank
            part of the rest leaves.
        sparsity: lambda as a multiple of 1 / sqrt(D); lower values put more into S and leave a lower rank.
        layers: of W that the directions move, as ranges such as `0:4`.
    Raises:
        LinkGANError: settings out of range, or a rest of the image that needs all dimensions.
    """
    if not 0 <= null <= task.dim or not sparsity > 0:
        raise LinkGANError(f"null {null}, sparsity {sparsity:g}; expected 0 to {task.dim}, and above 0")
    moved = task.layers(layers)
    root, (inside, outside) = region_grams(task, probes, moved)
    rank, rest = _principal(outside, sparsity)
    null = null or task.dim - rank
    if not null:
        raise LinkGANError(
            f"the rest of the image needs all {rank} dimensions, so it has no null space; set its dimensions, such as "
            f"null={max(1, task.dim // 4)}, or lower sparsity"
        )
    _, own = _principal(inside, sparsity)
    vectors = projected(own, rest[:, task.dim - null :], task.count)
    return Found(task.placed(torch.from_numpy(vectors.T @ root), moved))


def projected(vectors: Array, null: Array, count: int) -> Array:
    """Project vectors to a null space, in order, leaving out those that are combinations of the ones before.

    Args:
        vectors: columns [D, n].
        null: its orthonormal basis, columns [D, m].
        count: vectors wanted.
    Returns:
        N N^T v as columns, float64 [D, at most min(count, m)].
    """
    kept: list[Array] = []
    span = np.zeros([len(null), 0])
    for vector in (null @ (null.T @ vectors)).T:
        new = vector - span @ (span.T @ vector)
        if len(kept) < min(count, null.shape[1]) and np.linalg.norm(new) > _NEW:
            kept.append(vector)
            span = np.linalg.qr(np.column_stack([span, new]))[0]
    return np.stack(kept, axis=1)


def _principal(gram: Array, sparsity: float) -> tuple[int, Array]:
    """Return the rank of the low-rank part of J^T J [D, D], and its eigenvectors [D, D], largest first."""
    low, _ = robust_pca(gram, sparsity)
    rank = int(np.linalg.matrix_rank(low, tol=1e-9 * np.linalg.norm(gram), hermitian=True))
    return rank, np.linalg.eigh(low + _ORDER * gram)[1][:, ::-1]


def robust_pca(matrix: Array, sparsity: float = 1.0) -> tuple[Array, Array]:
    """Split a symmetric matrix M into low rank and sparse: min ||L||_* + lambda ||S||_1 with L + S = M, by ADMM.

        L <- shrink_{1/mu}(eigenvalues of M - S + Y / mu),  S <- shrink_{lambda/mu}(M - L + Y / mu),
        Y <- Y + mu (M - L - S),  mu <- 1.2 mu

    Args:
        matrix: M, [D, D].
        sparsity: lambda as a multiple of 1 / sqrt(D).
    Returns:
        L and S, float64 [D, D].
    """
    weight = sparsity / len(matrix) ** 0.5
    norm = np.linalg.norm(matrix, 2)
    dual = matrix / max(norm, np.abs(matrix).max() / weight)
    penalty = 1.25 / norm
    low = sparse = np.zeros_like(matrix)
    for _ in range(_MOST):
        values, vectors = np.linalg.eigh(matrix - sparse + dual / penalty)
        low = (vectors * _shrunk(values, 1 / penalty)) @ vectors.T
        sparse = _shrunk(matrix - low + dual / penalty, weight / penalty)
        residual = matrix - low - sparse
        dual = dual + penalty * residual
        penalty *= _GROWTH
        if np.linalg.norm(residual) <= _TOLERANCE * np.linalg.norm(matrix):
            break
    return low, sparse


def _shrunk(values: Array, least: float) -> Array:
    """Return values moved towards 0 by `least`."""
    found: Array = np.sign(values) * np.maximum(np.abs(values) - least, 0)
    return found


LOWRANK = Method(lowrank, "Zhu et al., NeurIPS 2021", local=True)
