"""From the neural rendering to the final image."""

import torch
from torch_utils import persistence
from training.layers import SynthesisLayer, ToRGBLayer


@persistence.persistent_class
class SuperresolutionHybrid2X(torch.nn.Module):
    def __init__(self, channels, img_resolution, w_dim):
        super().__init__()
        self.input_resolution = img_resolution // 2
        self.conv0 = SynthesisLayer(channels, channels, w_dim, img_resolution, up=2)
        self.torgb = ToRGBLayer(channels, 3, w_dim)

    def forward(self, rgb, x, ws, noise_mode="none"):
        size = [self.input_resolution, self.input_resolution]
        if x.shape[-1] != self.input_resolution:
            x, rgb = (
                torch.nn.functional.interpolate(y, size=size, mode="bilinear", align_corners=False) for y in (x, rgb)
            )
        x = self.conv0(x, ws[:, -1], noise_mode=noise_mode)
        rgb = torch.nn.functional.interpolate(rgb, scale_factor=2, mode="bilinear", align_corners=False)
        return rgb + self.torgb(x, ws[:, -1])
