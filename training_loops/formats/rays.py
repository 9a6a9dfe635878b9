"""Rays through the pixels of a camera, and their intersections with the cube that the tri-planes cover."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MISSED = (-1.0, -2.0)  # the limits where no ray hits the cube


class RaySampler(nn.Module):
    """Poses [N, 4, 4] and intrinsics [N, 3, 3] of square images -> origins and directions, each [N, R * R, 3].

    Rays go through the centres of the pixels, row by row; directions have length 1. The arithmetic follows the order of
    the public code, by points in world space: where a volume is sharp, images show every rounding of a direction.
    """

    def forward(self, cam2world_matrix: Tensor, intrinsics: Tensor, resolution: int) -> tuple[Tensor, Tensor]:
        pixel = 1 / resolution
        centres = torch.arange(resolution, dtype=intrinsics.dtype, device=intrinsics.device) * pixel + pixel / 2
        fx, skew, cx, fy, cy = (intrinsics[:, i, j, None, None] for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2)))
        y = (centres[:, None] - cy) / fy  # [N, R, 1]
        x = (centres - cx - skew * y) / fx  # [N, R, R]
        one = torch.ones_like(x)
        points = torch.stack([x, y.expand_as(x), one, one], dim=1).flatten(2)  # [N, 4, R * R], at depth 1
        position = cam2world_matrix[:, None, :3, 3]
        directions = F.normalize((cam2world_matrix @ points)[:, :3].transpose(1, 2) - position, dim=-1)
        return position.expand_as(directions), directions


def box_limits(origins: Tensor, directions: Tensor, side: float) -> tuple[Tensor, Tensor]:
    """Return the depths [N, R] at which rays [N, R, 3] enter and leave the cube of `side` around the origin.

    A ray that misses the cube gets the smallest and the largest entry depth of the rays that hit it, so its samples are
    in their range; `MISSED` where all miss.
    """
    slowness = 1 / directions
    a, b = (-side / 2 - origins) * slowness, (side / 2 - origins) * slowness
    start = torch.minimum(a, b).amax(dim=-1)
    end = torch.maximum(a, b).amin(dim=-1)
    hits = start <= end
    if not bool(hits.any()):
        return torch.full_like(start, MISSED[0]), torch.full_like(end, MISSED[1])
    entries = start[hits]
    return torch.where(hits, start, entries.min()), torch.where(hits, end, entries.max())
