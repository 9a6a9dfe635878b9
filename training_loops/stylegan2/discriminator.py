"""The StyleGAN2 discriminator, with the names and shapes of the public snapshots."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.stylegan2 import ops, resample
from training_loops.stylegan2.generator import block_resolutions, check_architecture
from training_loops.stylegan2.layers import Conv2dLayer, FullyConnectedLayer, MappingNetwork


class DiscriminatorBlock(nn.Module):
    """One resolution: [N, in_channels, R, R] (and the image for 'skip') -> [N, out_channels, R/2, R/2]."""

    resample_filter: Tensor
    conv0: Conv2dLayer

    def __init__(
        self,
        in_channels: int,
        tmp_channels: int,
        out_channels: int,
        resolution: int,
        img_channels: int,
        first_layer_idx: int,
        architecture: str = "resnet",
        activation: str = "lrelu",
        resample_filter: object = (1, 3, 3, 1),
        conv_clamp: float | None = None,
        use_fp16: bool = False,
        half: str = "float16",
        fp16_channels_last: bool = False,
        freeze_layers: int = 0,
    ) -> None:
        super().__init__()
        check_architecture(architecture)
        self.in_channels = in_channels
        self.resolution = resolution
        self.img_channels = img_channels
        self.first_layer_idx = first_layer_idx
        self.architecture = architecture
        self.use_fp16 = use_fp16
        self.half_dtype = ops.half_dtype(half)
        self.channels_last = use_fp16 and fp16_channels_last
        self.taps = resample.parse_taps(resample_filter)
        self.register_buffer("resample_filter", resample.filter_buffer(self.taps))
        self.num_layers = 0
        self.has_fromrgb = in_channels == 0 or architecture == "skip"
        resampled: dict[str, Any] = {"down": 2, "resample_filter": resample_filter}

        def layer(inputs: int, outputs: int, kernel_size: int, **kwargs: Any) -> Conv2dLayer:
            trainable = first_layer_idx + self.num_layers >= freeze_layers
            self.num_layers += 1
            last = self.channels_last
            return Conv2dLayer(inputs, outputs, kernel_size, trainable=trainable, channels_last=last, **kwargs)

        common: dict[str, Any] = {"activation": activation, "conv_clamp": conv_clamp}
        if self.has_fromrgb:
            self.fromrgb = layer(img_channels, tmp_channels, 1, **common)
        self.conv0 = layer(tmp_channels, tmp_channels, 3, **common)
        self.conv1 = layer(tmp_channels, out_channels, 3, **common, **resampled)
        if architecture == "resnet":
            self.skip = layer(tmp_channels, out_channels, 1, bias=False, **resampled)

    def forward(self, x: Tensor | None, img: Tensor | None, force_fp32: bool = False) -> tuple[Tensor, Tensor | None]:
        device = self.conv0.weight.device
        half = self.use_fp16 and not force_fp32 and ops.works_in_half(self.half_dtype, device)
        dtype = self.half_dtype if half else self.conv0.weight.dtype
        memory_format = ops.memory_format(device, self.channels_last and half)
        if x is not None:
            x = x.to(dtype=dtype, memory_format=memory_format)
        if self.has_fromrgb:
            assert img is not None
            rgb = self.fromrgb(img.to(dtype=dtype, memory_format=memory_format))
            x = rgb if x is None else x + rgb
            img = resample.downsample2d(img, self.taps) if self.architecture == "skip" else None
        if self.architecture != "resnet":
            return self.conv1(self.conv0(x)), img
        gain = math.sqrt(0.5)
        return self.skip(x, gain=gain) + self.conv1(self.conv0(x), gain=gain), img

    def extra_repr(self) -> str:
        return f"resolution={self.resolution}, architecture={self.architecture}"


class MinibatchStdLayer(nn.Module):
    """Append `num_channels` maps of the mean standard deviation over groups of the batch (Karras et al. 2018).

    Group g holds the samples g, g + N/G, g + 2N/G, ...; ValueError when the group size does not divide N.
    """

    def __init__(self, group_size: int | None, num_channels: int = 1) -> None:
        super().__init__()
        self.group_size = group_size
        self.num_channels = num_channels

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        group = n if self.group_size is None else min(self.group_size, n)
        if n % group:
            raise ValueError(f"batch of {n}: minibatch std needs a multiple of its group size {group}")
        y = x.reshape(group, -1, self.num_channels, channels // self.num_channels, height, width)
        y = y - y.mean(dim=0)
        y = (y.square().mean(dim=0) + 1e-8).sqrt().mean(dim=[2, 3, 4])  # [N/G, num_channels]
        maps = y.repeat(group, 1)[:, :, None, None].expand(-1, -1, height, width)
        return torch.cat([x, maps.to(x.dtype)], dim=1)

    def extra_repr(self) -> str:
        return f"group_size={self.group_size}, num_channels={self.num_channels}"


class DiscriminatorEpilogue(nn.Module):
    """The 4x4 block: [N, in_channels, 4, 4] -> logits [N, 1], projected on `cmap` [N, cmap_dim] if conditional."""

    def __init__(
        self,
        in_channels: int,
        cmap_dim: int,
        resolution: int,
        img_channels: int,
        architecture: str = "resnet",
        mbstd_group_size: int | None = 4,
        mbstd_num_channels: int = 1,
        activation: str = "lrelu",
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        check_architecture(architecture)
        self.cmap_dim = cmap_dim
        self.resolution = resolution
        self.architecture = architecture
        if architecture == "skip":
            self.fromrgb = Conv2dLayer(img_channels, in_channels, kernel_size=1, activation=activation)
        self.mbstd = MinibatchStdLayer(mbstd_group_size, mbstd_num_channels) if mbstd_num_channels > 0 else None
        self.conv = Conv2dLayer(
            in_channels + mbstd_num_channels, in_channels, 3, activation=activation, conv_clamp=conv_clamp
        )
        self.fc = FullyConnectedLayer(in_channels * resolution**2, in_channels, activation=activation)
        self.out = FullyConnectedLayer(in_channels, 1 if cmap_dim == 0 else cmap_dim)

    def forward(self, x: Tensor, img: Tensor | None, cmap: Tensor | None) -> Tensor:
        x = x.to(self.fc.weight.dtype)
        if self.architecture == "skip":
            assert img is not None
            x = x + self.fromrgb(img.to(x.dtype))
        if self.mbstd is not None:
            x = self.mbstd(x)
        x = self.out(self.fc(self.conv(x).flatten(1)))
        if cmap is None:
            return x
        return (x * cmap).sum(dim=1, keepdim=True) / math.sqrt(self.cmap_dim)

    def extra_repr(self) -> str:
        return f"resolution={self.resolution}, architecture={self.architecture}"


class Discriminator(nn.Module):
    """Images [N, img_channels, R, R], c [N, c_dim] -> logits [N, 1]; positive means real."""

    def __init__(
        self,
        c_dim: int,
        img_resolution: int,
        img_channels: int,
        architecture: str = "resnet",
        channel_base: int = 32768,
        channel_max: int = 512,
        num_fp16_res: int = 4,
        conv_clamp: float | None = 256,
        cmap_dim: int | None = None,
        block_kwargs: dict[str, Any] | None = None,
        mapping_kwargs: dict[str, Any] | None = None,
        epilogue_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        arguments = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        self.init_kwargs: dict[str, Any] = copy.deepcopy(arguments)
        self.c_dim = c_dim
        self.img_resolution = img_resolution
        self.img_channels = img_channels
        self.block_resolutions = block_resolutions(img_resolution)[:0:-1]
        channels = {res: min(channel_base // res, channel_max) for res in [*self.block_resolutions, 4]}
        fp16_resolution = max(img_resolution * 2 // 2**num_fp16_res, 8)
        cmap_dim = 0 if c_dim == 0 else channels[4] if cmap_dim is None else cmap_dim
        common: dict[str, Any] = {
            "img_channels": img_channels,
            "architecture": architecture,
            "conv_clamp": conv_clamp,
        }
        layer_count = 0
        for res in self.block_resolutions:
            block = DiscriminatorBlock(
                channels[res] if res < img_resolution else 0,
                channels[res],
                channels[res // 2],
                resolution=res,
                first_layer_idx=layer_count,
                use_fp16=res >= fp16_resolution,
                **(block_kwargs or {}),
                **common,
            )
            setattr(self, f"b{res}", block)
            layer_count += block.num_layers
        if c_dim > 0:
            self.mapping = MappingNetwork(
                z_dim=0, c_dim=c_dim, w_dim=cmap_dim, num_ws=None, w_avg_beta=None, **(mapping_kwargs or {})
            )
        self.b4 = DiscriminatorEpilogue(
            channels[4], cmap_dim=cmap_dim, resolution=4, **(epilogue_kwargs or {}), **common
        )

    def forward(self, img: Tensor, c: Tensor | None, update_emas: bool = False, **block_kwargs: Any) -> Tensor:
        """Return logits [N, 1] of img [N, img_channels, R, R] with labels c [N, c_dim].

        `update_emas` is accepted because the hosts' loss passes it; it has no effect.
        """
        expected = (self.img_channels, self.img_resolution, self.img_resolution)
        if img.ndim != 4 or img.shape[1:] != expected:
            raise ValueError(f"img: got {list(img.shape)}, expected [N, {', '.join(map(str, expected))}]")
        x: Tensor | None = None
        rgb: Tensor | None = img
        for res in self.block_resolutions:
            x, rgb = getattr(self, f"b{res}")(x, rgb, **block_kwargs)
        cmap = self.mapping(None, c) if self.c_dim > 0 else None
        return self.b4(x, rgb, cmap)

    def extra_repr(self) -> str:
        return f"c_dim={self.c_dim}, img_resolution={self.img_resolution}, img_channels={self.img_channels}"
