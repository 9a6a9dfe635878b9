"""Rays of a camera, one per pixel."""

import torch


class RaySampler(torch.nn.Module):
    def forward(self, cam2world, intrinsics, resolution):
        """cam2world [N, 4, 4], intrinsics [N, 3, 3] -> origins and directions, both [N, resolution^2, 3]."""
        steps = (torch.arange(resolution, dtype=torch.float32, device=cam2world.device) + 0.5) / resolution
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        focal = intrinsics[:, 0, 0][:, None]
        x, y = ((axis.flatten()[None] - 0.5) / focal for axis in (x, y))
        local = torch.stack([x, y, torch.ones_like(x)], dim=-1)
        directions = torch.nn.functional.normalize(local @ cam2world[:, :3, :3].transpose(1, 2), dim=-1)
        return cam2world[:, None, :3, 3].expand_as(directions), directions
