"""Augmentation of what D sees: a random shift of some images."""

import torch
from torch_utils import persistence
from torch_utils.ops import grid_sample_gradfix


@persistence.persistent_class
class AugmentPipe(torch.nn.Module):
    def __init__(self, shift=0.1):
        super().__init__()
        self.shift = shift
        self.register_buffer("p", torch.ones([]))

    def forward(self, images):
        n = len(images)
        active = (torch.rand([n, 1], device=images.device) < self.p).float()
        theta = torch.eye(2, 3, device=images.device).repeat(n, 1, 1)
        theta[:, :, 2] = self.shift * active * torch.randn([n, 2], device=images.device)
        grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
        return grid_sample_gradfix.grid_sample(images, grid)
