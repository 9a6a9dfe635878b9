"""Where along its ray a volume is sampled: evenly with jitter first, then where the first pass saw something.

NeRF (Mildenhall et al. 2020), section 5.2. The numbers drawn are those of the public code, in its order and shapes, so
that one seed gives one image there and here.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.eg3d.options import RenderOptions
from training_loops.formats.rays import box_limits

_FLOOR = 0.01  # share of the second pass that goes to where the first saw nothing
_EPS = 1e-5


def stratified_depths(origins: Tensor, directions: Tensor, options: RenderOptions) -> Tensor:
    """Return depths [N, R, D], ascending, for rays [N, R, 3]: one in each of D steps, at random within it."""
    n, rays, steps = *origins.shape[:2], options.coarse
    kind: dict[str, Any] = {"dtype": origins.dtype, "device": origins.device}
    near: Tensor | float
    far: Tensor | float
    if options.start is None or options.end is None:
        near, far = (limit[..., None] for limit in box_limits(origins, directions, options.box_warp))
        # Jitter of limits that differ from ray to ray is drawn for all rays at one step, then for the next step.
        jitter = torch.rand([steps, n, rays], **kind).permute(1, 2, 0)
    else:
        near, far = options.start, options.end
        jitter = torch.rand([n, rays, steps], **kind)
    if options.disparity:
        share = torch.linspace(0, 1, steps, **kind) + jitter * (1 / (steps - 1))
        return 1 / (1 / near * (1 - share) + 1 / far * share)
    if isinstance(near, float):
        even = torch.linspace(near, far, steps, **kind)
    else:
        even = near + torch.arange(steps, **kind) / (steps - 1) * (far - near)
    return even + jitter * ((far - near) / (steps - 1))


@torch.no_grad()
def importance_depths(depths: Tensor, weights: Tensor, count: int) -> Tensor:
    """Draw `count` depths for each ray, [N, R, count] in no order, from the weights of segments.

    Weights [N, R, D - 1] between depths [N, R, D] are widened as in Mip-NeRF (Barron et al. 2021, equation 18), so that
    nothing between the samples of the first pass is missed. As in the public code, which made the snapshots, segment
    i + 1 stands for what lies between the middles of segments i and i + 1, and the last middle is left out.
    """
    n, rays, _ = depths.shape
    wide = torch.maximum(F.pad(weights, [1, 0]), F.pad(weights, [0, 1]))
    density = (wide[..., 1:] + wide[..., :-1]) / 2 + _FLOOR
    middles = ((depths[..., 1:] + depths[..., :-1]) / 2).flatten(0, 1)
    mass = density[..., 1:-1].flatten(0, 1) + _EPS
    cdf = F.pad(torch.cumsum(mass / mass.sum(dim=1, keepdim=True), dim=1), [1, 0])  # [N * R, D - 2]
    u = torch.rand([n * rays, count], dtype=cdf.dtype, device=cdf.device)
    above = torch.searchsorted(cdf, u, right=True)
    below, above = (above - 1).clamp_(min=0), above.clamp_(max=cdf.shape[1] - 1)
    left, right = cdf.gather(1, below), cdf.gather(1, above)
    span = right - left
    share = (u - left) / torch.where(span < _EPS, torch.ones_like(span), span)
    return torch.lerp(middles.gather(1, below), middles.gather(1, above), share).view(n, rays, count)
