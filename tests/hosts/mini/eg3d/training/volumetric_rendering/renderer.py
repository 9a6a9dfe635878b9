"""Sampling tri-planes along jittered rays."""

import torch

from .ray_marcher import MipRayMarcher2

AXES = [[0, 1], [0, 2], [2, 1]]


class ImportanceRenderer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.ray_marcher = MipRayMarcher2()

    def forward(self, planes, decoder, origins, directions, options):
        """planes [N, 3, C, H, W] -> features [N, R, C'], depth [N, R, 1]."""
        n, rays, _ = origins.shape
        samples = options["depth_resolution"]
        start, end = options["ray_start"], options["ray_end"]
        depths = torch.linspace(start, end, samples, device=origins.device).reshape(1, 1, samples, 1)
        # The jitter comes from the global random state, in evaluation as in training.
        depths = depths + torch.rand([n, rays, samples, 1], device=origins.device) * (end - start) / (samples - 1)
        points = origins.unsqueeze(2) + depths * directions.unsqueeze(2)
        out = self.run_model(planes, decoder, points.flatten(1, 2), None, options)
        shape = [n, rays, samples, -1]
        return self.ray_marcher(out["rgb"].reshape(shape), out["sigma"].reshape(shape), depths)

    def run_model(self, planes, decoder, coordinates, directions, options):
        """coordinates [N, P, 3] -> dict of rgb [N, P, C'] and sigma [N, P, 1]."""
        scaled = coordinates * (2 / options["box_warp"])
        flat = planes.flatten(0, 1)
        grid = torch.stack([scaled[..., axes] for axes in AXES], dim=1).flatten(0, 1).unsqueeze(1)
        features = torch.nn.functional.grid_sample(
            flat, grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        n, points = coordinates.shape[:2]
        return decoder(features.reshape(n, 3, -1, points).permute(0, 1, 3, 2), directions)
