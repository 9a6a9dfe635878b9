"""From the neural rendering to the final image."""

import torch
from torch_utils import persistence
from training.layers import SynthesisLayer, ToRGBLayer, resized


@persistence.persistent_class
class Superresolution(torch.nn.Module):
    def __init__(self, channels, img_resolution, w_dim):
        super().__init__()
        self.input_resolution = img_resolution // 2
        self.conv0 = SynthesisLayer(w_dim, channels, channels, img_resolution)
        self.torgb = ToRGBLayer(w_dim, channels, 3)

    def forward(self, features, w, noise_mode):
        features = resized(features, self.input_resolution)
        sharp = self.conv0(features, w, noise_mode)
        return self.torgb(sharp, w) + resized(features[:, :3], self.conv0.resolution)
