"""The StyleGAN2 generator: mapping and synthesis networks, with the names and shapes of the public snapshots."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.errors import OptionError
from training_loops.generators import StyleGenerator
from training_loops.stylegan2 import ops, resample
from training_loops.stylegan2.layers import Conv2dLayer, MappingNetwork
from training_loops.stylegan2.synthesis_layers import SynthesisLayer, ToRGBLayer

ARCHITECTURES = ("orig", "skip", "resnet")


def block_resolutions(img_resolution: int) -> list[int]:
    """Return [4, 8, ..., img_resolution]; raises OptionError unless it is a power of two from 4 to 65536."""
    log2 = img_resolution.bit_length() - 1
    if not 2 <= log2 <= 16 or img_resolution != 1 << log2:
        raise OptionError(f"img_resolution={img_resolution}: expected a power of two from 4 to 65536")
    return [1 << i for i in range(2, log2 + 1)]


def check_architecture(architecture: str) -> None:
    """Raise OptionError unless `architecture` is one of `ARCHITECTURES`."""
    if architecture not in ARCHITECTURES:
        raise OptionError(f"architecture={architecture!r}: known are {', '.join(ARCHITECTURES)}")


class SynthesisBlock(nn.Module):
    """One resolution of the synthesis network: one or two modulated convolutions and, optionally, an image output."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        img_channels: int,
        is_last: bool,
        architecture: str = "skip",
        resample_filter: object = (1, 3, 3, 1),
        conv_clamp: float | None = 256,
        use_fp16: bool = False,
        half: str = "float16",
        fp16_channels_last: bool = False,
        fused_modconv_default: bool | str = True,
        **layer_kwargs: Any,
    ) -> None:
        super().__init__()
        check_architecture(architecture)
        self.in_channels = in_channels
        self.w_dim = w_dim
        self.resolution = resolution
        self.img_channels = img_channels
        self.is_last = is_last
        self.architecture = architecture
        self.use_fp16 = use_fp16
        self.half_dtype = ops.half_dtype(half)
        self.channels_last = use_fp16 and fp16_channels_last
        self.fused_modconv_default = fused_modconv_default
        self.taps = resample.parse_taps(resample_filter)
        self.register_buffer("resample_filter", resample.filter_buffer(self.taps))
        shared: dict[str, Any] = {"conv_clamp": conv_clamp, "channels_last": self.channels_last}
        if in_channels == 0:
            self.const = nn.Parameter(torch.randn([out_channels, resolution, resolution]))
        else:
            self.conv0 = SynthesisLayer(
                in_channels,
                out_channels,
                w_dim,
                resolution,
                up=2,
                resample_filter=resample_filter,
                **shared,
                **layer_kwargs,
            )
        self.conv1 = SynthesisLayer(out_channels, out_channels, w_dim, resolution, **shared, **layer_kwargs)
        self.has_torgb = is_last or architecture == "skip"
        if self.has_torgb:
            self.torgb = ToRGBLayer(out_channels, img_channels, w_dim, **shared)
        if in_channels != 0 and architecture == "resnet":
            self.skip = Conv2dLayer(
                in_channels,
                out_channels,
                kernel_size=1,
                bias=False,
                up=2,
                resample_filter=resample_filter,
                channels_last=self.channels_last,
            )
        self.num_conv = 1 if in_channels == 0 else 2
        self.num_torgb = int(self.has_torgb)

    def forward(
        self,
        x: Tensor | None,
        img: Tensor | None,
        ws: Tensor,
        force_fp32: bool = False,
        fused_modconv: bool | None = None,
        update_emas: bool = False,
        **layer_kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """x [N, in_channels, R/2, R/2], img [N, C, R/2, R/2] or None, ws [N, num_conv + num_torgb, w_dim]."""
        styles = iter(ws.unbind(dim=1))
        half = self.use_fp16 and not force_fp32 and ops.works_in_half(self.half_dtype, ws.device)
        dtype = self.half_dtype if half else self.conv1.weight.dtype
        memory_format = ops.memory_format(ws.device, self.channels_last and half)
        if x is None:
            x = self.const.to(dtype).unsqueeze(0).expand(ws.shape[0], -1, -1, -1)
            x = self.conv1(x.contiguous(memory_format=memory_format), next(styles), **layer_kwargs)
        else:
            x = x.to(dtype=dtype, memory_format=memory_format)
            gain = math.sqrt(0.5) if self.architecture == "resnet" else 1.0
            residual = self.skip(x, gain=gain) if self.architecture == "resnet" else None
            x = self.conv0(x, next(styles), **layer_kwargs)
            x = self.conv1(x, next(styles), gain=gain, **layer_kwargs)
            x = x if residual is None else x + residual
        if img is not None:
            img = resample.upsample2d(img, self.taps)
        if self.has_torgb:
            rgb = self.torgb(x, next(styles)).to(ws.dtype)
            img = rgb if img is None else img + rgb
        return x, img

    def extra_repr(self) -> str:
        return f"resolution={self.resolution}, architecture={self.architecture}"


class SynthesisNetwork(nn.Module):
    """ws [N, num_ws, w_dim] -> images [N, img_channels, R, R].

    A block of resolution r has ``min(channel_base // r, channel_max)`` channels.
    """

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        channel_base: int = 32768,
        channel_max: int = 512,
        num_fp16_res: int = 4,
        **block_kwargs: Any,
    ) -> None:
        super().__init__()
        self.w_dim = w_dim
        self.img_resolution = img_resolution
        self.img_channels = img_channels
        self.num_fp16_res = num_fp16_res
        self.block_resolutions = block_resolutions(img_resolution)
        channels = {res: min(channel_base // res, channel_max) for res in self.block_resolutions}
        fp16_resolution = max(img_resolution * 2 // 2**num_fp16_res, 8)
        self.num_ws = 0
        for res in self.block_resolutions:
            block = SynthesisBlock(
                channels[res // 2] if res > 4 else 0,
                channels[res],
                w_dim=w_dim,
                resolution=res,
                img_channels=img_channels,
                is_last=res == img_resolution,
                use_fp16=res >= fp16_resolution,
                **block_kwargs,
            )
            self.num_ws += block.num_conv + (block.num_torgb if res == img_resolution else 0)
            setattr(self, f"b{res}", block)

    def forward(self, ws: Tensor, **block_kwargs: Any) -> Tensor:
        """ws [N, num_ws, w_dim] -> images [N, img_channels, R, R].

        `block_kwargs`: noise_mode ('random', 'const' or 'none'), force_fp32, fused_modconv, update_emas.
        """
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"ws: got {list(ws.shape)}, expected [N, {self.num_ws}, {self.w_dim}]")
        ws = ws.to(next(self.parameters()).dtype)
        x = img = None
        first = 0
        for res in self.block_resolutions:
            block = getattr(self, f"b{res}")
            # A block's image output shares its w with the next block's first convolution.
            block_ws = ws.narrow(1, first, block.num_conv + block.num_torgb)
            x, img = block(x, img, block_ws, **block_kwargs)
            first += block.num_conv
        assert img is not None
        return img

    def extra_repr(self) -> str:
        return f"w_dim={self.w_dim}, num_ws={self.num_ws}, img_resolution={self.img_resolution}"


class Generator(StyleGenerator):
    """The generator of StyleGAN2; arguments specific to StyleGAN2 are passed to `SynthesisNetwork`."""

    mapping_class = MappingNetwork
    synthesis_class = SynthesisNetwork
