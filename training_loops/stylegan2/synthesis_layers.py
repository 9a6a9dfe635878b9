"""Layers of the synthesis network: modulated convolution with noise, and the modulated image output."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.errors import OptionError
from training_loops.stylegan2 import ops, resample
from training_loops.stylegan2.layers import FullyConnectedLayer

NOISE_MODES = ("random", "const", "none")


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution (optionally upsampling), noise, bias, activation.

    StyleGAN2 scales the weight per sample by the styles s (Eq. 1) and normalises it (Eq. 2 and 3):
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
            raise OptionError(f"up={up}: expected 1 or 2")
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
        weight = torch.randn([out_channels, in_channels, kernel_size, kernel_size])
        self.weight = nn.Parameter(weight.to(memory_format=ops.layout(channels_last)))
        if use_noise:
            self.register_buffer("noise_const", torch.randn([resolution, resolution]))
            self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros([out_channels]))

    def forward(
        self, x: Tensor, w: Tensor, noise_mode: str = "random", fused_modconv: bool = True, gain: float = 1
    ) -> Tensor:
        """x [N, in_channels, H, W], w [N, w_dim] -> [N, out_channels, resolution, resolution].

        `fused_modconv` is accepted because the hosts pass it; it has no effect.
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
        # Scales cancel in the normalisation; bounding them keeps sums in the range of float16.
        fan_in = weight[0].numel()
        weight = weight / (weight.abs().amax(dim=[1, 2, 3], keepdim=True) * math.sqrt(fan_in))
        styles = styles / styles.abs().amax(dim=1, keepdim=True)
    # d_o = 1 / sqrt(sum_i s_i^2 sum_k w_oik^2 + eps) (Eq. 3); y_o = gain d_o sum_ik w_oik (s_i x_i) + shift
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
        weight = torch.randn([out_channels, in_channels, kernel_size, kernel_size])
        self.weight = nn.Parameter(weight.to(memory_format=ops.layout(channels_last)))
        self.bias = nn.Parameter(torch.zeros([out_channels]))
        self.weight_gain = 1 / math.sqrt(in_channels * kernel_size**2)

    def forward(self, x: Tensor, w: Tensor, fused_modconv: bool = True) -> Tensor:
        # y_c = sum_i w_ci s_i x_i / sqrt(I k^2) + b_c: modulated (Eq. 1), not normalised
        scale = self.affine(w) * self.weight_gain
        x = x * scale.to(x.dtype)[:, :, None, None]
        y = F.conv2d(x, self.weight.to(x.dtype), self.bias.to(x.dtype), padding=self.weight.shape[2] // 2)
        return y if self.conv_clamp is None else y.clamp(-self.conv_clamp, self.conv_clamp)
