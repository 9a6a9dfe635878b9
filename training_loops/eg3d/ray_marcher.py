"""Volume rendering: the integral of colours along rays (Max 1995; NeRF, section 4), by segments between samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.eg3d.options import clamp_mode


def segment_weights(densities: Tensor, depths: Tensor) -> Tensor:
    """Return the weight of each segment of a ray, [..., D - 1], from sigmas and ascending depths [..., D].

    The density of a segment is ``softplus(mean of its ends' sigmas - 1)``; the shift makes new networks start with
    empty space.
    """
    # w_i = T_i (1 - exp(-sigma_i delta_i)), T_i = exp(-sum_{j<i} sigma_j delta_j) (NeRF, Eq. 3)
    sigma = F.softplus((densities[..., 1:] + densities[..., :-1]) / 2 - 1)
    optical = sigma * (depths[..., 1:] - depths[..., :-1])
    passed = torch.exp(-optical)  # transmittance of each segment
    before = torch.exp(F.pad(-torch.cumsum(optical[..., :-1], dim=-1), [1, 0]))
    return (1 - passed) * before


def sample_weights(weights: Tensor) -> Tensor:
    """Return the weight of each sample, [..., D], where a segment's colour is the mean of its ends'."""
    # sum_i w_i (c_i + c_{i+1}) / 2 = sum_i (w_{i-1} + w_i) / 2 c_i
    return (F.pad(weights, [1, 0]) + F.pad(weights, [0, 1])) / 2


def expected_depth(weights: Tensor, depths: Tensor) -> Tensor:
    """Return the mean depth [...] of segments [..., D - 1]; for rays that hit nothing, the farthest depth of all."""
    # E[t] = sum_i w_i (t_i + t_{i+1}) / 2 / sum_i w_i
    total = weights.sum(dim=-1)
    stopped = total > 0
    # Without the inner `where`, a division by 0 would put NaN into the gradients.
    mean = (weights * (depths[..., 1:] + depths[..., :-1])).sum(dim=-1) / (2 * torch.where(stopped, total, 1))
    return torch.where(stopped, mean, depths.max()).clamp(depths.min(), depths.max())


def finish_colors(colors: Tensor, weights: Tensor, white_back: bool) -> Tensor:
    """Composite colours [..., C], summed by segments' `weights`, on black or white, and map [0, 1] to [-1, 1]."""
    # C + (1 - sum_i w_i) background
    if white_back:
        colors = colors + (1 - weights.sum(dim=-1, keepdim=True))
    return colors * 2 - 1


class MipRayMarcher2(nn.Module):
    """Colours [N, R, D, C], sigmas and ascending depths [N, R, D, 1] of the samples of rays -> rendered rays.

    Returns colours [N, R, C], depth [N, R, 1] and segments' weights [N, R, D - 1, 1]. Options: clamp_mode, white_back.
    """

    def forward(
        self, colors: Tensor, densities: Tensor, depths: Tensor, rendering_options: Mapping[str, Any]
    ) -> tuple[Tensor, Tensor, Tensor]:
        clamp_mode(rendering_options)
        z = depths.squeeze(-1)
        weights = segment_weights(densities.squeeze(-1), z)
        summed = (sample_weights(weights)[..., None] * colors).sum(dim=-2)
        rgb = finish_colors(summed, weights, bool(rendering_options.get("white_back", False)))
        return rgb, expected_depth(weights, z)[..., None], weights[..., None]
