"""The StyleGAN3 generator, with the names and shapes of the public snapshots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from training_loops.errors import OptionError
from training_loops.generators import StyleGenerator
from training_loops.stylegan2.layers import MAX_LAYERS
from training_loops.stylegan3.fourier_input import SynthesisInput
from training_loops.stylegan3.layers import MappingNetwork
from training_loops.stylegan3.synthesis_layers import SynthesisLayer

MAX_RESOLUTION = 1 << 16  # like MAX_LAYERS, far above any real model


@dataclass(frozen=True)
class Band:
    """The output of a layer: frequencies in cycles per image, rates in samples per image."""

    cutoff: float
    half_width: float  # from the cutoff to the stopband
    rate: int
    size: int  # samples, including margins
    channels: int


def plan_bands(
    img_resolution: int,
    img_channels: int,
    channel_base: int,
    channel_max: int,
    num_layers: int,
    num_critical: int,
    first_cutoff: float,
    first_stopband: float,
    last_stopband_rel: float,
    margin_size: int,
) -> list[Band]:
    """Return the outputs of the `num_layers` layers and of the image output (Appendix C, Figure 4c).

    Cutoff and stopband grow geometrically up to the last `num_critical` layers, which all have the highest.

    Raises:
        OptionError: options that result in no layers, frequencies or channels.
    """
    if not 0 <= num_critical < num_layers <= MAX_LAYERS:
        raise OptionError(
            f"num_layers={num_layers}, num_critical={num_critical}: "
            f"expected 1 to {MAX_LAYERS} layers, of which fewer are critical"
        )
    if not 1 <= img_resolution <= MAX_RESOLUTION:
        raise OptionError(f"img_resolution={img_resolution}: expected 1 to {MAX_RESOLUTION}")
    if min(first_cutoff, first_stopband, last_stopband_rel) <= 0:
        raise OptionError(f"{first_cutoff=}, {first_stopband=}, {last_stopband_rel=}: expected numbers above 0")
    cutoffs = first_cutoff, img_resolution / 2
    stopbands = first_stopband, cutoffs[1] * last_stopband_rel
    bands = []
    for i in range(num_layers + 1):
        progress = min(i / (num_layers - num_critical), 1)
        cutoff, stopband = (low * (high / low) ** progress for low, high in (cutoffs, stopbands))
        channels = img_channels if i == num_layers else round(min(channel_base / 2 / cutoff, channel_max))
        if channels < 1:
            raise OptionError(f"{channel_base=}, {channel_max=}: layer {i} of {num_layers} has no channels")
        # The lowest power of two that covers the stopband, at most the one that covers the image.
        rate = 2 ** math.ceil(math.log2(min(2 * stopband, img_resolution)))
        in_margins = i < num_layers - 1
        bands.append(
            Band(
                cutoff=cutoff,
                half_width=max(stopband, rate / 2) - cutoff,
                rate=rate,
                size=rate + 2 * margin_size if in_margins else img_resolution,
                channels=channels,
            )
        )
    return bands


class SynthesisNetwork(nn.Module):
    """ws [N, num_ws, w_dim] -> images [N, img_channels, R, R].

    Args:
        channel_base: a layer that passes f cycles has ``channel_base / 2 / f`` channels, at most `channel_max`.
        num_layers: layers, excluding the image output.
        num_critical: last layers whose cutoff is half the sampling rate.
        first_cutoff: of the input, cycles per image.
        first_stopband: of the input, cycles per image.
        last_stopband_rel: last stopband relative to the last cutoff.
        margin_size: samples around the image.
        output_scale: factor of the image, whose variance is 1 before.
        num_fp16_res: resolutions, from the highest, that compute in float16 on a GPU.
        layer_kwargs: of `SynthesisLayer`: conv_kernel, filter_size, lrelu_upsampling, use_radial_filters,
            conv_clamp, magnitude_ema_beta.
    """

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        channel_base: int = 32768,
        channel_max: int = 512,
        num_layers: int = 14,
        num_critical: int = 2,
        first_cutoff: float = 2,
        first_stopband: float = 2**2.1,
        last_stopband_rel: float = 2**0.3,
        margin_size: int = 10,
        output_scale: float = 0.25,
        num_fp16_res: int = 4,
        **layer_kwargs: Any,
    ) -> None:
        super().__init__()
        self.w_dim = w_dim
        self.num_ws = num_layers + 2
        self.img_resolution = img_resolution
        self.img_channels = img_channels
        self.num_layers = num_layers
        self.num_critical = num_critical
        self.margin_size = margin_size
        self.output_scale = output_scale
        self.num_fp16_res = num_fp16_res
        bands = plan_bands(
            img_resolution,
            img_channels,
            channel_base,
            channel_max,
            num_layers,
            num_critical,
            first_cutoff,
            first_stopband,
            last_stopband_rel,
            margin_size,
        )
        first = bands[0]
        self.input = SynthesisInput(w_dim, first.channels, first.size, first.rate, first.cutoff)
        self.layer_names: list[str] = []
        for i, (before, band) in enumerate(zip([first, *bands], bands, strict=False)):
            layer = SynthesisLayer(
                w_dim,
                is_torgb=i == num_layers,
                is_critically_sampled=i >= num_layers - num_critical,
                use_fp16=band.rate * 2**num_fp16_res > img_resolution,
                in_channels=before.channels,
                out_channels=band.channels,
                in_size=before.size,
                out_size=band.size,
                in_sampling_rate=before.rate,
                out_sampling_rate=band.rate,
                in_cutoff=before.cutoff,
                out_cutoff=band.cutoff,
                in_half_width=before.half_width,
                out_half_width=band.half_width,
                **layer_kwargs,
            )
            self.layer_names.append(f"L{i}_{band.size}_{band.channels}")
            setattr(self, self.layer_names[-1], layer)

    def forward(self, ws: Tensor, **layer_kwargs: Any) -> Tensor:
        """ws [N, num_ws, w_dim] -> images [N, img_channels, R, R].

        `layer_kwargs`: update_emas, force_fp32, and noise_mode, which has no effect on this network.
        """
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"ws: got {list(ws.shape)}, expected [N, {self.num_ws}, {self.w_dim}]")
        first, *styles = ws.to(self.input.weight.dtype).unbind(dim=1)
        x = self.input(first)
        for name, w in zip(self.layer_names, styles, strict=True):
            layer = getattr(self, name)
            x = layer(x, w, **layer_kwargs)
        return x.to(first.dtype) * self.output_scale

    def extra_repr(self) -> str:
        return f"w_dim={self.w_dim}, num_ws={self.num_ws}, img_resolution={self.img_resolution}"


class Generator(StyleGenerator):
    """The generator of StyleGAN3. The defaults are StyleGAN3-T.

    StyleGAN3-R has ``conv_kernel=1, use_radial_filters=True`` and twice the `channel_base` and `channel_max`.
    """

    mapping_class = MappingNetwork
    synthesis_class = SynthesisNetwork
