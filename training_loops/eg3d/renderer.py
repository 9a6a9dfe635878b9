"""The volume renderer: rays through tri-planes, sampled in two passes (EG3D, section 3.2 and its supplement)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.eg3d import options as read
from training_loops.eg3d.depths import importance_depths, stratified_depths
from training_loops.eg3d.planes import sample_planes
from training_loops.eg3d.ray_marcher import (
    MipRayMarcher2,
    expected_depth,
    finish_colors,
    sample_weights,
    segment_weights,
)

Decoder = Callable[[Tensor, Tensor], dict[str, Tensor]]
Features = Callable[[Tensor], Tensor]  # points [N, M, 3] -> features [N, M, C]


class ImportanceRenderer(nn.Module):
    """Planes [N, 3, C, S, S] seen along rays [N, R, 3] -> features [N, R, F], depth [N, R, 1], opacity [N, R, 1].

    Features are in about [-1, 1], opacity is the absorbed share of light. See `RenderOptions` for `rendering_options`;
    OptionError for invalid ones. `added` are features beside those of the planes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ray_marcher = MipRayMarcher2()

    def forward(
        self,
        planes: Tensor,
        decoder: Decoder,
        ray_origins: Tensor,
        ray_directions: Tensor,
        rendering_options: Mapping[str, Any],
        added: Features | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        # NeRF, Eq. 5 and section 5.2: a coarse pass at even depths, a fine pass where the coarse one found density, and
        # C = sum_i v_i c_i over the samples of both in the order of their depths.
        options = read.RenderOptions.read(rendering_options)
        rays = (ray_origins, ray_directions)
        depths = stratified_depths(*rays, options)
        colors, densities = self._look(planes, decoder, *rays, depths, rendering_options, added)
        seen = [colors]
        if options.fine:
            with torch.no_grad():  # sample positions have no gradients
                fine = importance_depths(depths, segment_weights(densities, depths), options.fine)
            colors, more = self._look(planes, decoder, *rays, fine, rendering_options, added)
            seen.append(colors)
            depths, order = torch.cat([depths, fine], dim=-1).sort(dim=-1)
            densities = torch.cat([densities, more], dim=-1).gather(-1, order)
        weights = segment_weights(densities, depths)
        shares = sample_weights(weights)
        if options.fine:
            # The sum has no order, and weights are smaller than colours: the weights are reordered, not the colours.
            shares = torch.zeros_like(shares).scatter(-1, order, shares)
        parts = shares.split([part.shape[2] for part in seen], dim=-1)
        sums = [(share[..., None] * part).sum(dim=2) for share, part in zip(parts, seen, strict=True)]
        rgb = finish_colors(torch.stack(sums).sum(dim=0), weights, options.white_back)
        return rgb, expected_depth(weights, depths)[..., None], weights.sum(dim=-1, keepdim=True)

    def run_model(
        self,
        planes: Tensor,
        decoder: Decoder,
        sample_coordinates: Tensor,
        sample_directions: Tensor,
        options: Mapping[str, Any],
        added: Features | None = None,
    ) -> dict[str, Tensor]:
        """Return rgb [N, M, F] and sigma [N, M, 1] at coordinates [N, M, 3] seen along directions [N, M, 3].

        The decoder gets the mean over the planes as features [N, 1, M, C]. Options: box_warp, density_noise.
        """
        # c, sigma = decoder(mean over the three planes, each at the projection of x) (EG3D, section 3.2)
        features = sample_planes(planes, sample_coordinates, read.box_warp(options))
        if added is not None:
            features = features + added(sample_coordinates)
        out = decoder(features[:, None], sample_directions)
        noise = read.density_noise(options)
        if noise > 0:
            out["sigma"] = out["sigma"] + torch.randn_like(out["sigma"]) * noise
        return out

    def _look(
        self,
        planes: Tensor,
        decoder: Decoder,
        origins: Tensor,
        directions: Tensor,
        depths: Tensor,
        options: Mapping[str, Any],
        added: Features | None,
    ) -> tuple[Tensor, Tensor]:
        """Colours [N, R, D, F] and sigmas [N, R, D] at depths [N, R, D] of rays."""
        # x(t) = o + t d
        points = origins[:, :, None] + depths[..., None] * directions[:, :, None]
        along = directions[:, :, None].expand_as(points)
        out = self.run_model(planes, decoder, points.flatten(1, 2), along.flatten(1, 2), options, added)
        return out["rgb"].view(*depths.shape, -1), out["sigma"].view(depths.shape)
