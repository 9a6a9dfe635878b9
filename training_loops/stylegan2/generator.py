"""The StyleGAN2 generator: mapping and synthesis networks, with the names and shapes of the public snapshots."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.stylegan2 import ops, resample
from training_loops.stylegan2.layers import Conv2dLayer, FullyConnectedLayer, MappingNetwork

NOISE_MODES = ("random", "const", "none")
ARCHITECTURES = ("orig", "skip", "resnet")


def block_resolutions(img_resolution: int) -> list[int]:
    """Return [4, 8, ..., img_resolution]; ValueError unless it is a power of two from 4 to 65536."""
    log2 = img_resolution.bit_length() - 1
    if not 2 <= log2 <= 16 or img_resolution != 1 << log2:
        raise ValueError(f"img_resolution={img_resolution}: expected a power of two from 4 to 65536")
    return [1 << i for i in range(2, log2 + 1)]


def check_architecture(architecture: str) -> None:
    """Raise ValueError unless `architecture` is one of `ARCHITECTURES`."""
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture={architecture!r}: known are {', '.join(ARCHITECTURES)}")


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution (optionally upsampling), noise, bias, activation.

    StyleGAN2 scales the weight per sample by the styles s and normalises it:
    ``w'_oik = w_oik s_i / sqrt(sum_ik (w_oik s_i)^2 + eps)``. Since both factors are constant over space, scaling
    the input by s and the output by the normaliser is the same, and keeps the convolution dense.
    """

    resample_filter: Tensor
    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        kernel_size: int = 3,
        up: int = 1,
        use_noise: bool = True,
        activation: str = "lrelu",
        resample_filter: object = (1, 3, 3, 1),
        conv_clamp: float | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        if up not in (1, 2):
            raise ValueError(f"up={up}: expected 1 or 2")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.w_dim = w_dim
        self.resolution = resolution
        self.up = up
        self.use_noise = use_noise
        self.activation = activation
        self.conv_clamp = conv_clamp
        self.taps = resample.parse_taps(resample_filter)
        self.register_buffer("resample_filter", resample.filter_buffer(self.taps))
        self._act = ops.activation(activation)
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1)
        memory_format = torch.channels_last if channels_last else torch.contiguous_format
        weight = torch.randn([out_channels, in_channels, kernel_size, kernel_size])
        self.weight = nn.Parameter(weight.to(memory_format=memory_format))
        if use_noise:
            self.register_buffer("noise_const", torch.randn([resolution, resolution]))
            self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros([out_channels]))

    def forward(
        self, x: Tensor, w: Tensor, noise_mode: str = "random", fused_modconv: bool = True, gain: float = 1
    ) -> Tensor:
        """x [N, in_channels, H, W], w [N, w_dim] -> [N, out_channels, resolution, resolution].

        `fused_modconv` is accepted because the hosts pass it; there is one way here.
        """
        total_gain = self._act.gain * gain
        inner = total_gain if self._act.homogeneous else 1.0
        noise = self._noise(x, noise_mode)
        shift = (self.bias * inner).to(x.dtype)[:, None, None]
        if noise is not None:
            shift = shift + (noise * inner).to(x.dtype)
        taps = self.taps if self.up == 2 else None
        y = self._act.apply(modulated_conv2d(x, self.weight, self.affine(w), shift, taps, inner))
        if not self._act.homogeneous:
            y = y * total_gain
        return y if self.conv_clamp is None else y.clamp(-self.conv_clamp * gain, self.conv_clamp * gain)

    def _noise(self, x: Tensor, noise_mode: str) -> Tensor | None:
        """Noise [N, 1, R, R] or [R, R] times its learned strength, or None."""
        if noise_mode not in NOISE_MODES:
            raise ValueError(f"noise_mode={noise_mode!r}: known are {', '.join(NOISE_MODES)}")
        if not self.use_noise or noise_mode == "none":
            return None
        if noise_mode == "const":
            return self.noise_const * self.noise_strength
        strength = self.noise_strength
        shape = [x.shape[0], 1, self.resolution, self.resolution]
        return torch.randn(shape, device=x.device, dtype=strength.dtype) * strength

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, resolution={self.resolution}, up={self.up}"


def modulated_conv2d(
    x: Tensor, weight: Tensor, styles: Tensor, shift: Tensor, up_taps: resample.Taps | None, gain: float
) -> Tensor:
    """Convolve x [N, I, H, W] by weight [O, I, k, k] modulated by styles [N, I]; times `gain`, plus `shift`."""
    if x.dtype == torch.float16:
        # Scales cancel in the normalisation; bounding them keeps sums inside the range of float16.
        fan_in = weight[0].numel()
        weight = weight / (weight.abs().amax(dim=[1, 2, 3], keepdim=True) * math.sqrt(fan_in))
        styles = styles / styles.abs().amax(dim=1, keepdim=True)
    energy = styles.square() @ weight.square().sum(dim=[2, 3]).t()  # [N, O]
    demodulation = (energy + 1e-8).rsqrt() * gain
    x = x * styles.to(x.dtype)[:, :, None, None]
    y = _convolve(x, weight.to(x.dtype), up_taps)
    return torch.addcmul(shift, y, demodulation.to(x.dtype)[:, :, None, None])


def _convolve(x: Tensor, weight: Tensor, up_taps: resample.Taps | None) -> Tensor:
    if up_taps is not None:
        return resample.conv2d_up(x, weight, up_taps)
    return F.conv2d(x, weight, padding=weight.shape[2] // 2)


class ToRGBLayer(nn.Module):
    """Modulated 1x1 convolution without normalisation: x [N, I, H, W], w [N, w_dim] -> image [N, C, H, W]."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        kernel_size: int = 1,
        conv_clamp: float | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1)
        memory_format = torch.channels_last if channels_last else torch.contiguous_format
        weight = torch.randn([out_channels, in_channels, kernel_size, kernel_size])
        self.weight = nn.Parameter(weight.to(memory_format=memory_format))
        self.bias = nn.Parameter(torch.zeros([out_channels]))
        self.weight_gain = 1 / math.sqrt(in_channels * kernel_size**2)

    def forward(self, x: Tensor, w: Tensor, fused_modconv: bool = True) -> Tensor:
        styles = self.affine(w) * self.weight_gain
        x = x * styles.to(x.dtype)[:, :, None, None]
        y = F.conv2d(x, self.weight.to(x.dtype), self.bias.to(x.dtype), padding=self.weight.shape[2] // 2)
        return y if self.conv_clamp is None else y.clamp(-self.conv_clamp, self.conv_clamp)


class SynthesisBlock(nn.Module):
    """One resolution of the synthesis network: one or two modulated convolutions and, maybe, an image output."""

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
        half = self.use_fp16 and not force_fp32 and ws.device.type == "cuda"
        dtype = torch.float16 if half else self.conv1.weight.dtype
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
        """`block_kwargs`: noise_mode ('random', 'const' or 'none'), force_fp32, fused_modconv, update_emas."""
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


class Generator(nn.Module):
    """z [N, z_dim], c [N, c_dim] -> images [N, img_channels, R, R], about [-1, 1].

    `init_kwargs` keeps the constructor's arguments, so that a snapshot can build the same network again.
    """

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        mapping_kwargs: dict[str, Any] | None = None,
        **synthesis_kwargs: Any,
    ) -> None:
        super().__init__()
        dims = {"img_resolution": img_resolution, "img_channels": img_channels}
        self.init_kwargs: dict[str, Any] = copy.deepcopy(
            {"z_dim": z_dim, "c_dim": c_dim, "w_dim": w_dim, **dims, "mapping_kwargs": dict(mapping_kwargs or {})}
            | synthesis_kwargs
        )
        self.z_dim = z_dim
        self.c_dim = c_dim
        self.w_dim = w_dim
        self.img_resolution = img_resolution
        self.img_channels = img_channels
        self.synthesis = SynthesisNetwork(w_dim=w_dim, **dims, **synthesis_kwargs)
        self.num_ws = self.synthesis.num_ws
        self.mapping = MappingNetwork(
            z_dim=z_dim, c_dim=c_dim, w_dim=w_dim, num_ws=self.num_ws, **(mapping_kwargs or {})
        )

    def forward(
        self,
        z: Tensor,
        c: Tensor | None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
        **synthesis_kwargs: Any,
    ) -> Tensor:
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff, update_emas=update_emas)
        return self.synthesis(ws, update_emas=update_emas, **synthesis_kwargs)
