"""Augmentation of what D sees: a random shift of some images."""

import torch
from torch_utils import persistence
from torch_utils.ops import grid_sample_gradfix


@persistence.persistent_class
class AugmentPipe(torch.nn.Module):
    def __init__(self, shift=0.1):
        super().__init__()
        self.shift = shift
        self.register_buffer("p", torch.tensor(1.0))

    def forward(self, images):
        chosen = torch.rand(len(images), 1, device=images.device) < self.p
        offset = torch.randn(len(images), 2, device=images.device) * self.shift * chosen
        still = torch.eye(2, device=images.device).expand(len(images), -1, -1)
        moved = torch.cat([still, offset[:, :, None]], dim=2)
        places = torch.nn.functional.affine_grid(moved, images.shape, align_corners=False)
        return grid_sample_gradfix.grid_sample(images, places)
