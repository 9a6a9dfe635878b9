"""Sample depths along rays: evenly with jitter first, then by the density found in the first pass.

NeRF (Mildenhall et al. 2020), section 5.2. Random numbers are drawn in the order and shapes of the public code, so the
same seed gives the same image in both.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.eg3d.options import RenderOptions
from training_loops.formats.rays import box_limits

_FLOOR = 0.01  # density added everywhere, so that the second pass also samples empty space
_EPS = 1e-5


def stratified_depths(origins: Tensor, directions: Tensor, options: RenderOptions) -> Tensor:
    """Return depths [N, R, D], ascending, for rays [N, R, 3]: one at random in each of D intervals."""
    n, rays, steps = *origins.shape[:2], options.coarse
    kind: dict[str, Any] = {"dtype": origins.dtype, "device": origins.device}
    near: Tensor | float
    far: Tensor | float
    if options.start is None or options.end is None:
        near, far = (limit[..., None] for limit in box_limits(origins, directions, options.box_warp))
        # Where limits differ between rays, jitter is drawn for all rays at one step, then for the next step.
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
    """Draw `count` depths for each ray, [N, R, count], unsorted, from the weights of segments.

    Weights [N, R, D - 1] between depths [N, R, D] are widened as in Mip-NeRF (Barron et al. 2021, equation 18), so that
    nothing between the samples of the first pass is missed. As in the public code, which trained the snapshots, segment
    i + 1 covers the range between the midpoints of segments i and i + 1, and the last midpoint is unused.
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
