"""A discriminator of the final image and the neural rendering together."""

import torch
from torch_utils import persistence
from training.layers import Discriminator


@persistence.persistent_class
class DualDiscriminator(torch.nn.Module):
    def __init__(self, c_dim, img_resolution, img_channels, **kwargs):
        super().__init__()
        self.c_dim, self.img_resolution, self.img_channels = c_dim, img_resolution, img_channels
        self.net = Discriminator(c_dim, img_resolution, 2 * img_channels, **kwargs)

    def forward(self, img, c, update_emas=False):
        size = img["image"].shape[2:]
        raw = torch.nn.functional.interpolate(img["image_raw"], size=size, mode="bilinear", align_corners=False)
        return self.net(torch.cat([img["image"], raw], dim=1), c)
