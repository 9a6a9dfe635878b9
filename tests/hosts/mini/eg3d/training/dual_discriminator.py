"""A discriminator of the final image and the neural rendering together."""

import torch
from torch_utils import persistence
from training.layers import Discriminator, resized


@persistence.persistent_class
class DualDiscriminator(torch.nn.Module):
    def __init__(self, c_dim, img_resolution, img_channels, **widths):
        super().__init__()
        self.c_dim, self.img_resolution, self.img_channels = c_dim, img_resolution, img_channels
        self.net = Discriminator(c_dim, img_resolution, img_channels * 2, **widths)

    def forward(self, img, c, update_emas=False):
        both = [resized(img[kind], self.img_resolution) for kind in ("image", "image_raw")]
        return self.net(torch.cat(both, 1), c)
