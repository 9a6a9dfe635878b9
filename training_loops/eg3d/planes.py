"""Samples features from tri-planes: bilinear, zero outside, the mean over the planes (EG3D, section 3.2).

A point (x, y, z) is projected on plane 0 at column x and row y, on plane 1 at column x and row z, and on plane 2 at
column z and row x. (The paper's third plane is y and z; public snapshots were trained with this one.)

Each point's feature is a weighted sum of 12 texels, 4 in each plane, which `embedding_bag` computes in one pass over
features that are contiguous in memory. Its gradient sorts all texels; on a CPU the product with the transposed sparse
matrix of the weights is 20 times as fast.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.devices import constant

PLANES = 3
_TAPS = 4 * PLANES


def sample_planes(planes: Tensor, points: Tensor, box_warp: float) -> Tensor:
    """Return the mean feature [N, M, C] over the planes [N, 3, C, S, S] at points [N, M, 3].

    Texels are read fastest in channels_last memory. The planes cover the cube of
    side `box_warp` around the origin. ValueError for other shapes, or sides of fewer than 2 texels.
    """
    n, count, channels, rows, columns = planes.shape
    if count != PLANES or rows != columns or rows < 2:
        raise ValueError(f"planes: got {list(planes.shape)}, expected [N, {PLANES}, C, S, S] with S of 2 or more")
    if points.shape[0] != n or points.shape[2:] != (3,):
        raise ValueError(f"points: got {list(points.shape)}, expected [{n}, M, 3]")
    texels = planes.permute(0, 3, 4, 1, 2).reshape(-1, channels)  # [N * S * S * 3, C]
    indices, weights = _taps(points.to(planes.dtype), rows, 2 / box_warp)
    known = texels.device.type == "cpu" and texels.dtype in (torch.float32, torch.float64)
    summed = _WeightedSum.apply if known and not weights.requires_grad else _weighted_sum
    return summed(texels, indices, weights).view(n, -1, channels)


def _weighted_sum(texels: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """Texels [T, C], indices and weights [P, K] -> sum_k weight_pk texel_(index_pk), [P, C]."""
    return F.embedding_bag(indices, texels, per_sample_weights=weights, mode="sum")


class _WeightedSum(torch.autograd.Function):
    """`_weighted_sum` with a fast gradient for the texels, on a CPU in single or double precision."""

    @staticmethod
    def forward(ctx: Any, texels: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(indices, weights)
        ctx.texels = len(texels)
        return _weighted_sum(texels, indices, weights)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        # y = A t => dt = A^T dy; a matrix of P rows of K entries, read as one of P columns, is its own transpose.
        indices, weights = ctx.saved_tensors
        points, taps = indices.shape
        starts = np.arange(0, points * taps + 1, taps, dtype=indices.numpy().dtype)
        entries = (weights.numpy().ravel(), indices.numpy().ravel(), starts)
        transposed = scipy.sparse.csc_array(entries, shape=(ctx.texels, points))
        return torch.from_numpy(transposed @ grad.contiguous().numpy()), None, None


def _taps(points: Tensor, size: int, scale: float) -> tuple[Tensor, Tensor]:
    """Return the texel indices of each point and their weights, both [N * M, 12].

    Values of one kind are contiguous until the end, since the intermediate steps are fast on long rows only.
    """
    n, m, _ = points.shape
    pixels = (
        (points.reshape(-1, 3).t().contiguous() * scale + 1) * size - 1
    ) / 2  # [3, N * M], 0 = first texel's centre
    # The first of the two texels around the point, or of the two nearest where the point is outside.
    first = pixels.detach().floor().nan_to_num(nan=0.0).clamp_(0, size - 2)
    offset = pixels - first
    x, y, z = torch.stack([1 - offset.abs(), 1 - (offset - 1).abs()]).relu().unbind(1)  # [2, N * M] each
    x = x / PLANES
    zx = z[:, None] * x
    weights = torch.stack([y[:, None] * x, zx, zx]).view(_TAPS, -1)

    wide = n * size * size * PLANES >= 2**31
    column, row = PLANES, PLANES * size
    i, j, k = first.to(torch.int64 if wide else torch.int32)
    corners = torch.stack([j * row + i * column, k * row + i * column + 1, i * row + k * column + 2])
    corners.view(PLANES, n, m).add_((torch.arange(n, device=points.device) * (row * size))[:, None].to(corners.dtype))
    # In the order of the weights: the step in z or y precedes the step in x, which is a row in plane 2.
    steps = ((0, column, row, row + column),) * 2 + ((0, row, column, row + column),)
    indices = corners[:, None] + constant(steps, corners)[:, :, None]
    return indices.view(_TAPS, -1).t().contiguous(), weights.t().contiguous()
