"""StyleGAN2's generator in the dialect of 2021 and later: moving averages follow only when asked to."""

import torch
from torch_utils import persistence
from torch_utils.ops import conv2d_gradfix  # noqa: F401 (the real networks import it, so that opening a snapshot does)
from training.layers import Discriminator, FullyConnectedLayer, SynthesisLayer, ToRGBLayer

__all__ = ["Discriminator", "FullyConnectedLayer", "Generator", "MappingNetwork", "SynthesisNetwork"]


@persistence.persistent_class
class MappingNetwork(torch.nn.Module):
    def __init__(self, z_dim, c_dim, w_dim, num_ws, num_layers=2, lr_multiplier=0.01, w_avg_beta=0.998):
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim, self.num_ws = z_dim, c_dim, w_dim, num_ws
        self.num_layers, self.w_avg_beta = num_layers, w_avg_beta
        if c_dim > 0:
            self.embed = FullyConnectedLayer(c_dim, w_dim)
        for index in range(num_layers):
            width = z_dim + (w_dim if c_dim > 0 else 0) if index == 0 else w_dim
            setattr(self, f"fc{index}", FullyConnectedLayer(width, w_dim, "lrelu", lr_multiplier=lr_multiplier))
        self.register_buffer("w_avg", torch.zeros([w_dim]))

    def forward(self, z, c, truncation_psi=1, truncation_cutoff=None, update_emas=False):
        x = torch.nn.functional.normalize(z, dim=1) * self.z_dim**0.5
        if self.c_dim > 0:
            x = torch.cat([x, torch.nn.functional.normalize(self.embed(c), dim=1) * self.w_dim**0.5], dim=1)
        for index in range(self.num_layers):
            x = getattr(self, f"fc{index}")(x)
        if update_emas:
            self.w_avg.copy_(x.detach().mean(0).lerp(self.w_avg, self.w_avg_beta))
        x = x.unsqueeze(1).repeat([1, self.num_ws, 1])
        if truncation_psi != 1:
            x[:, :truncation_cutoff] = self.w_avg.lerp(x[:, :truncation_cutoff], truncation_psi)
        return x


@persistence.persistent_class
class SynthesisBlock(torch.nn.Module):
    def __init__(self, in_channels, out_channels, w_dim, resolution):
        super().__init__()
        self.const = torch.nn.Parameter(torch.randn([out_channels, 4, 4])) if resolution == 4 else None
        up = 1 if resolution == 4 else 2
        self.conv1 = SynthesisLayer(in_channels or out_channels, out_channels, w_dim, resolution, up=up)

    def forward(self, x, w, update_emas=False, **layer_kwargs):
        x = self.const.repeat([len(w), 1, 1, 1]) if self.const is not None else x
        return self.conv1(x, w, **layer_kwargs)


@persistence.persistent_class
class SynthesisNetwork(torch.nn.Module):
    def __init__(self, w_dim, img_resolution, img_channels, channel_base=256, channel_max=16):
        super().__init__()
        self.w_dim, self.img_resolution, self.img_channels = w_dim, img_resolution, img_channels
        self.block_resolutions = [2**i for i in range(2, img_resolution.bit_length())]
        self.num_ws = len(self.block_resolutions) + 1
        channels = 0
        for res in self.block_resolutions:
            width = max(min(channel_base // res, channel_max), 4)
            setattr(self, f"b{res}", SynthesisBlock(channels, width, w_dim, res))
            channels = width
        self.torgb = ToRGBLayer(channels, img_channels, w_dim)

    def forward(self, ws, **block_kwargs):
        x = None
        for index, res in enumerate(self.block_resolutions):
            x = getattr(self, f"b{res}")(x, ws[:, index], **block_kwargs)
        return self.torgb(x, ws[:, -1])


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
