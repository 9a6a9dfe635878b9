"""The layers of the miniature networks, small enough for a CPU."""

import numpy as np
import torch
from torch_utils import persistence


@persistence.persistent_class
class FullyConnectedLayer(torch.nn.Module):
    def __init__(self, in_features, out_features, activation="linear", bias_init=0.0, lr_multiplier=1.0):
        super().__init__()
        self.activation, self.lr_multiplier = activation, lr_multiplier
        self.weight = torch.nn.Parameter(torch.randn([out_features, in_features]) / lr_multiplier)
        self.bias = torch.nn.Parameter(torch.full([out_features], float(bias_init)))
        self.weight_gain = lr_multiplier / np.sqrt(in_features)

    def forward(self, x):
        x = torch.nn.functional.linear(x, self.weight * self.weight_gain, self.bias * self.lr_multiplier)
        return torch.nn.functional.leaky_relu(x, 0.2) * 2**0.5 if self.activation == "lrelu" else x


def modulated_conv2d(x, weight, styles, demodulate=True):
    """x [N, I, H, W], weight [O, I, k, k], styles [N, I] -> [N, O, H, W]."""
    weight = weight / weight[0].numel() ** 0.5
    out = torch.nn.functional.conv2d(x * styles[:, :, None, None], weight, padding=weight.shape[2] // 2)
    if demodulate:
        scale = (styles.square() @ weight.square().sum([2, 3]).T + 1e-8).rsqrt()
        out = out * scale[:, :, None, None]
    return out


@persistence.persistent_class
class SynthesisLayer(torch.nn.Module):
    """A modulated convolution, doubled in size where asked for, with the noise input of StyleGAN2."""

    def __init__(self, in_channels, out_channels, w_dim, resolution, up=1, use_noise=True):
        super().__init__()
        self.resolution, self.up, self.use_noise = resolution, up, use_noise
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1)
        self.weight = torch.nn.Parameter(torch.randn([out_channels, in_channels, 3, 3]))
        self.bias = torch.nn.Parameter(torch.zeros([out_channels]))
        if use_noise:
            self.register_buffer("noise_const", torch.randn([resolution, resolution]))
            self.noise_strength = torch.nn.Parameter(torch.zeros([]))

    def forward(self, x, w, noise_mode="random"):
        assert noise_mode in ["random", "const", "none"]
        if self.up > 1:
            x = torch.nn.functional.interpolate(x, scale_factor=self.up, mode="bilinear", align_corners=False)
        x = modulated_conv2d(x, self.weight, self.affine(w))
        if self.use_noise and noise_mode == "random":
            x = x + torch.randn([len(x), 1, self.resolution, self.resolution], device=x.device) * self.noise_strength
        if self.use_noise and noise_mode == "const":
            x = x + self.noise_const * self.noise_strength
        return torch.nn.functional.leaky_relu(x + self.bias[:, None, None], 0.2) * 2**0.5


@persistence.persistent_class
class ToRGBLayer(torch.nn.Module):
    def __init__(self, in_channels, out_channels, w_dim):
        super().__init__()
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1)
        self.weight = torch.nn.Parameter(torch.randn([out_channels, in_channels, 1, 1]))
        self.bias = torch.nn.Parameter(torch.zeros([out_channels]))

    def forward(self, x, w):
        return modulated_conv2d(x, self.weight, self.affine(w), demodulate=False) + self.bias[:, None, None]


@persistence.persistent_class
class Discriminator(torch.nn.Module):
    """Two convolutions and a linear layer; with labels, a projection."""

    def __init__(self, c_dim, img_resolution, img_channels, channel_base=256, channel_max=16, **_):
        super().__init__()
        self.c_dim, self.img_resolution, self.img_channels = c_dim, img_resolution, img_channels
        width = max(min(channel_base // img_resolution, channel_max), 4)
        self.conv0 = torch.nn.Conv2d(img_channels, width, 3, stride=2, padding=1)
        self.conv1 = torch.nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.out = FullyConnectedLayer(width * (img_resolution // 4) ** 2, max(c_dim, 1))

    def forward(self, img, c, update_emas=False, **_):
        x = torch.nn.functional.leaky_relu(self.conv0(img), 0.2)
        x = torch.nn.functional.leaky_relu(self.conv1(x), 0.2)
        x = self.out(x.flatten(1))
        return (x * c).sum(1, keepdim=True) / self.c_dim**0.5 if self.c_dim else x
