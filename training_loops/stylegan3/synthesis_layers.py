"""One layer of the StyleGAN3 synthesis network: modulated convolution and filtered leaky ReLU."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.errors import OptionError
from training_loops.stylegan2 import ops
from training_loops.stylegan2.synthesis_layers import NOISE_MODES
from training_loops.stylegan3.filtered_lrelu import Bend, filtered_lrelu
from training_loops.stylegan3.filters import lowpass_filter
from training_loops.stylegan3.fourier_input import Size, pair
from training_loops.stylegan3.layers import FullyConnectedLayer


class SynthesisLayer(nn.Module):
    """x [N, in_channels, H, W], w [N, w_dim] -> [N, out_channels, H', W'] (Section 3.2, Figure 4b).

    Args:
        is_torgb: the image output, without demodulation and leaky ReLU.
        is_critically_sampled: never uses a radial filter.
        use_fp16: compute in float16 on a GPU.
        in_size: samples, one number or (width, height).
        out_size: samples, one number or (width, height).
        in_sampling_rate: samples per unit of length.
        out_sampling_rate: samples per unit of length; a multiple of `in_sampling_rate`.
        in_cutoff: the highest frequency that passes, cycles per unit.
        out_cutoff: the highest frequency that passes, cycles per unit.
        in_half_width: half the transition band.
        out_half_width: half the transition band.
        filter_size: filter taps per input sample, and per output sample.
        lrelu_upsampling: samples of the leaky ReLU per output sample.
        conv_clamp: the largest magnitude after the leaky ReLU.
        magnitude_ema_beta: decay of the moving average of the input's mean square, which normalises the input.
    Raises:
        OptionError: an invalid rate, kernel, filter or upsampling.
    """

    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(
        self,
        w_dim: int,
        is_torgb: bool,
        is_critically_sampled: bool,
        use_fp16: bool,
        in_channels: int,
        out_channels: int,
        in_size: Size,
        out_size: Size,
        in_sampling_rate: float,
        out_sampling_rate: float,
        in_cutoff: float,
        out_cutoff: float,
        in_half_width: float,
        out_half_width: float,
        conv_kernel: int = 3,
        filter_size: int = 6,
        lrelu_upsampling: int = 2,
        use_radial_filters: bool = False,
        conv_clamp: float | None = 256,
        magnitude_ema_beta: float = 0.999,
    ) -> None:
        super().__init__()
        counts = {"conv_kernel": conv_kernel, "filter_size": filter_size, "lrelu_upsampling": lrelu_upsampling}
        for name, count in counts.items():
            if count < 1 or count != int(count):
                raise OptionError(f"{name}={count}: expected a whole number from 1")
        self.w_dim = w_dim
        self.is_torgb = is_torgb
        self.is_critically_sampled = is_critically_sampled
        self.use_fp16 = use_fp16
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.in_size = pair(in_size)
        self.out_size = pair(out_size)
        self.in_sampling_rate = in_sampling_rate
        self.out_sampling_rate = out_sampling_rate
        self.in_cutoff = in_cutoff
        self.out_cutoff = out_cutoff
        self.in_half_width = in_half_width
        self.out_half_width = out_half_width
        self.conv_kernel = 1 if is_torgb else conv_kernel
        self.conv_clamp = conv_clamp
        self.magnitude_ema_beta = magnitude_ema_beta

        self.affine = FullyConnectedLayer(in_features=w_dim, out_features=in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn([out_channels, in_channels, self.conv_kernel, self.conv_kernel]))
        self.bias = nn.Parameter(torch.zeros([out_channels]))
        self.register_buffer("magnitude_ema", torch.ones([]))

        self.down_factor = 1 if is_torgb else lrelu_upsampling
        self.up_factor = self.down_factor * _ratio(in_sampling_rate, out_sampling_rate)
        self.tmp_sampling_rate = rate = out_sampling_rate * self.down_factor
        # Without resampling no filter is needed; the image output is never filtered.
        self.up_taps = filter_size * self.up_factor if self.up_factor > 1 and not is_torgb else 1
        self.down_taps = filter_size * self.down_factor if self.down_factor > 1 and not is_torgb else 1
        self.down_radial = use_radial_filters and not is_critically_sampled
        up_filter = lowpass_filter(self.up_taps, in_cutoff, in_half_width * 2, rate)
        down_filter = lowpass_filter(self.down_taps, out_cutoff, out_half_width * 2, rate, self.down_radial)
        self.register_buffer("up_filter", up_filter)
        self.register_buffer("down_filter", down_filter)
        self._plan_padding()
        self._bend = Bend(1, 1, conv_clamp) if is_torgb else Bend(0.2, math.sqrt(2), conv_clamp)

    def _plan_padding(self) -> None:
        """Set paddings that keep the image centred; the convolution skips samples that would be cropped afterwards."""
        self.padding: list[int] = []  # left, right, top, bottom, in samples after upsampling
        crops, pads = [], []
        for in_size, out_size in zip(self.in_size, self.out_size, strict=True):
            convolved = in_size + self.conv_kernel - 1
            wanted = (out_size - 1) * self.down_factor + 1 + (self.up_taps - 1) + (self.down_taps - 1)
            missing = wanted - convolved * self.up_factor
            before = (missing + self.up_factor) // 2
            after = missing - before
            self.padding += [before, after]
            skip = max(0, -(before // self.up_factor)), max(0, -after // self.up_factor)
            crops.append((self.conv_kernel - 1 - skip[0], self.conv_kernel - 1 - skip[1]))
            pads.append((before + skip[0] * self.up_factor, after + skip[1] * self.up_factor))
        self._conv_padding = (crops[1], crops[0])
        self._filter_padding = (pads[1], pads[0])
        self._is_pointwise = self.up_factor == self.down_factor == 1 and not any(map(any, pads))

    def forward(
        self, x: Tensor, w: Tensor, noise_mode: str = "random", force_fp32: bool = False, update_emas: bool = False
    ) -> Tensor:
        """x [N, in_channels, H, W], w [N, w_dim] -> [N, out_channels, H', W'].

        `noise_mode` is checked and has no effect: hosts pass it to every generator, and this one has no noise.
        `update_emas` updates `magnitude_ema` with the mean square of x.
        """
        self._check(x, w, noise_mode)
        if update_emas:
            magnitude = x.detach().to(self.magnitude_ema.dtype).square().mean()
            self.magnitude_ema.copy_(magnitude.lerp(self.magnitude_ema, self.magnitude_ema_beta))
        half = self.use_fp16 and not force_fp32 and ops.works_in_half(torch.float16, x.device)
        x = x.to(torch.float16 if half else self.weight.dtype)
        x = self._convolve(x, self.affine(w))
        if self._is_pointwise:
            return self._pointwise(x)
        one = self.magnitude_ema.new_ones(1)
        up_filter = one if self.up_filter is None else self.up_filter
        down_filter = one if self.down_filter is None else self.down_filter
        factors = self.up_factor, self.down_factor
        return filtered_lrelu(x, up_filter, down_filter, *factors, self._filter_padding, self._bend)

    def _convolve(self, x: Tensor, styles: Tensor) -> Tensor:
        """Scale the channels by `styles` [N, in_channels], convolve with the weight, normalise and add the bias.

        Scaling the output is the same as normalising the weight for each sample, and keeps the convolution dense.
        """
        weight: Tensor = self.weight
        if self.is_torgb:
            styles = styles / math.sqrt(self.in_channels)
        else:
            # Scales cancel by `gain`; these keep sums over many channels in the range of float16.
            weight = weight * weight.square().sum(dim=[1, 2, 3], keepdim=True).rsqrt()
            styles = styles * styles.square().mean().rsqrt()
            energy = styles.square() @ weight.square().sum(dim=[2, 3]).t()
            gain = (energy + 1e-8 / weight[0].numel()).rsqrt().to(x.dtype)  # [N, out_channels]
        styles = (styles * self.magnitude_ema.rsqrt()).to(x.dtype)
        x, padding = _fitted(x * styles[:, :, None, None], self._conv_padding)
        weight, bias = weight.to(x.dtype), self.bias.to(x.dtype)
        if self.is_torgb:
            return F.conv2d(x, weight, bias, padding=padding)
        return torch.addcmul(bias[:, None, None], F.conv2d(x, weight, padding=padding), gain[:, :, None, None])

    def _pointwise(self, x: Tensor) -> Tensor:
        if self._bend.slope != 1:
            x = F.leaky_relu(x, self._bend.slope) * self._bend.gain
        return x if self.conv_clamp is None else x.clamp(-self.conv_clamp, self.conv_clamp)

    def _check(self, x: Tensor, w: Tensor, noise_mode: str) -> None:
        if noise_mode not in NOISE_MODES:
            raise ValueError(f"noise_mode={noise_mode!r}: known are {', '.join(NOISE_MODES)}")
        width, height = self.in_size
        if x.ndim != 4 or x.shape[1:] != (self.in_channels, height, width):
            raise ValueError(f"x: got {list(x.shape)}, expected [N, {self.in_channels}, {height}, {width}]")
        if w.shape != (x.shape[0], self.w_dim):
            raise ValueError(f"w: got {list(w.shape)}, expected [{x.shape[0]}, {self.w_dim}]")

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, in_size={self.in_size}, out_size={self.out_size}, "
            f"up={self.up_factor}, down={self.down_factor}, radial={self.down_radial}, is_torgb={self.is_torgb}"
        )


def _ratio(in_sampling_rate: float, out_sampling_rate: float) -> int:
    """Return out/in; OptionError unless it is a whole number."""
    if in_sampling_rate <= 0 or out_sampling_rate <= 0 or out_sampling_rate % in_sampling_rate:
        raise OptionError(
            f"in_sampling_rate={in_sampling_rate}, out_sampling_rate={out_sampling_rate}: "
            "expected rates above 0, the second a multiple of the first"
        )
    return int(out_sampling_rate // in_sampling_rate)


def _fitted(x: Tensor, padding: tuple[tuple[int, int], tuple[int, int]]) -> tuple[Tensor, tuple[int, int]]:
    """Pad, or where negative crop, (rows, columns) before and after; leave equal padding to the convolution."""
    rows, columns = padding
    if rows[0] == rows[1] >= 0 and columns[0] == columns[1] >= 0:
        return x, (rows[0], columns[0])
    return F.pad(x, [*columns, *rows]), (0, 0)
