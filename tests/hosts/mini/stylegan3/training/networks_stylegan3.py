"""An alias-free generator in miniature: Fourier features in, no noise inputs, magnitudes tracked on request."""

import numpy as np
import torch
from torch_utils import persistence
from training.layers import FullyConnectedLayer, modulated_conv2d
from training.networks_stylegan2 import MappingNetwork


@persistence.persistent_class
class SynthesisInput(torch.nn.Module):
    def __init__(self, w_dim, channels, size):
        super().__init__()
        self.size = size
        self.register_buffer("freqs", torch.randn([channels, 2]) * 2)
        self.register_buffer("phases", torch.rand([channels]))
        self.affine = FullyConnectedLayer(w_dim, 2)

    def forward(self, w):
        grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], [1, 1, self.size, self.size], align_corners=False)
        shifted = grid.to(w.device) + 0.1 * self.affine(w)[:, None, None, :]
        waves = torch.sin(2 * np.pi * (shifted @ self.freqs.T + self.phases))
        return waves.permute(0, 3, 1, 2)


@persistence.persistent_class
class SynthesisLayer(torch.nn.Module):
    def __init__(self, in_channels, out_channels, w_dim, cutoff, kernel, magnitude_ema_beta, is_torgb=False):
        super().__init__()
        self.cutoff, self.is_torgb, self.magnitude_ema_beta = cutoff, is_torgb, magnitude_ema_beta
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1)
        self.weight = torch.nn.Parameter(torch.randn([out_channels, in_channels, kernel, kernel]))
        self.bias = torch.nn.Parameter(torch.zeros([out_channels]))
        self.register_buffer("magnitude_ema", torch.ones([]))

    def forward(self, x, w, noise_mode="random", force_fp32=False, update_emas=False):
        assert noise_mode in ["random", "const", "none"]  # known, and of no effect
        if update_emas:
            magnitude = x.detach().square().mean()
            self.magnitude_ema.copy_(magnitude.lerp(self.magnitude_ema, self.magnitude_ema_beta))
        x = x * self.magnitude_ema.rsqrt()
        x = modulated_conv2d(x, self.weight, self.affine(w), demodulate=not self.is_torgb) + self.bias[:, None, None]
        return x if self.is_torgb else torch.nn.functional.leaky_relu(x, 0.2) * 2**0.5


@persistence.persistent_class
class SynthesisNetwork(torch.nn.Module):
    def __init__(
        self,
        w_dim,
        img_resolution,
        img_channels,
        channel_base=256,
        channel_max=16,
        num_layers=3,
        conv_kernel=3,
        magnitude_ema_beta=0.999,
    ):
        super().__init__()
        self.w_dim, self.img_resolution, self.img_channels = w_dim, img_resolution, img_channels
        self.num_layers, self.num_ws = num_layers, num_layers + 2
        self.cutoffs = 2 ** np.linspace(1, np.log2(img_resolution / 2), num_layers)
        width = max(min(channel_base // img_resolution, channel_max), 4)
        self.input = SynthesisInput(w_dim, width, img_resolution)
        for index, cutoff in enumerate(self.cutoffs):
            layer = SynthesisLayer(width, width, w_dim, cutoff, conv_kernel, magnitude_ema_beta)
            setattr(self, f"L{index}", layer)
        self.torgb = SynthesisLayer(width, img_channels, w_dim, cutoff, 1, magnitude_ema_beta, is_torgb=True)

    def forward(self, ws, **layer_kwargs):
        x = self.input(ws[:, 0])
        for index in range(self.num_layers):
            x = getattr(self, f"L{index}")(x, ws[:, index + 1], **layer_kwargs)
        return self.torgb(x, ws[:, -1], **layer_kwargs)


@persistence.persistent_class
class Generator(torch.nn.Module):
    def __init__(self, z_dim, c_dim, w_dim, img_resolution, img_channels, mapping_kwargs=None, **synthesis_kwargs):
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim = z_dim, c_dim, w_dim
        self.img_resolution, self.img_channels = img_resolution, img_channels
        self.synthesis = SynthesisNetwork(w_dim, img_resolution, img_channels, **synthesis_kwargs)
        self.num_ws = self.synthesis.num_ws
        self.mapping = MappingNetwork(z_dim, c_dim, w_dim, self.num_ws, **(mapping_kwargs or {}))

    def forward(self, z, c, truncation_psi=1, truncation_cutoff=None, update_emas=False, **synthesis_kwargs):
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff, update_emas=update_emas)
        return self.synthesis(ws, update_emas=update_emas, **synthesis_kwargs)
