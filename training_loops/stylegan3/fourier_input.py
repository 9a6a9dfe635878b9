"""The input of StyleGAN3: Fourier features that can be rotated and translated (Section 3.1 and Appendix F)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from training_loops.stylegan2 import ops
from training_loops.stylegan3.layers import FullyConnectedLayer

Size = int | tuple[int, int]


def pair(size: Size) -> tuple[int, int]:
    """Return a size as (width, height)."""
    width, height = (size, size) if isinstance(size, int) else size
    return int(width), int(height)


class SynthesisInput(nn.Module):
    """w [N, w_dim] -> feature map [N, channels, height, width]: sine waves of fixed frequencies, linearly mixed.

    A learned rotation and translation for each w, then the buffer `transform` [3, 3], are applied to the plane of the
    waves; `transform` maps output to input coordinates, where the image is the unit square around the origin.

    Args:
        size: samples, one number or (width, height).
        sampling_rate: samples per unit.
        bandwidth: the highest frequency, in cycles per unit.
    """

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, w_dim: int, channels: int, size: Size, sampling_rate: float, bandwidth: float) -> None:
        super().__init__()
        self.w_dim = w_dim
        self.channels = channels
        self.size = pair(size)
        self.sampling_rate = sampling_rate
        self.bandwidth = bandwidth
        self.weight = nn.Parameter(torch.randn([channels, channels]))
        self.affine = FullyConnectedLayer(w_dim, 4, weight_init=0, bias_init=(1, 0, 0, 0))
        self.register_buffer("transform", torch.tensor(np.eye(3), dtype=torch.float32))
        self.register_buffer("freqs", _uniform_in_disc(channels, bandwidth))
        self.register_buffer("phases", torch.rand([channels]) - 0.5)

    def forward(self, w: Tensor) -> Tensor:
        freqs, phases = self._moved(self.affine(w))
        across, down = (self._positions(n, w) for n in self.size)
        # sin(a + b) = sin a cos b + cos a sin b: sines are computed per row and column, not per sample.
        x = 2 * math.pi * freqs[:, :, 0, None] * across  # [N, channels, width]
        y = 2 * math.pi * (freqs[:, :, 1, None] * down + phases[:, :, None])  # [N, channels, height]
        amplitudes = self._amplitudes(freqs)[:, :, None]
        sin_y, cos_y = (_last(wave * amplitudes)[:, :, None] for wave in (y.sin(), y.cos()))  # [N, height, 1, channels]
        sin_x, cos_x = (_last(wave)[:, None] for wave in (x.sin(), x.cos()))  # [N, 1, width, channels]
        waves = torch.addcmul(sin_y * cos_x, cos_y, sin_x)
        mixed = waves @ (self.weight / math.sqrt(self.channels)).t()
        return mixed.permute(0, 3, 1, 2).contiguous(memory_format=ops.memory_format(w.device, False))

    def _moved(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Frequencies [N, channels, 2] and phases [N, channels], transformed by motion [N, 4]: cos, sin, shift x, y."""
        cos, sin, x, y = (motion / motion[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
        turn = torch.stack([cos, -sin, sin, cos], dim=1).view(-1, 2, 2)
        # The plane is transformed by `transform`, shifted back and rotated back.
        moved = turn @ self.transform[:2, :2]
        offset = turn @ (self.transform[:2, 2] - torch.stack([x, y], dim=1))[:, :, None]
        return self.freqs @ moved, self.phases + (self.freqs @ offset)[:, :, 0]

    def _amplitudes(self, freqs: Tensor) -> Tensor:
        """Fade out waves above the band (after magnification), to 0 at half the sampling rate."""
        over = freqs.norm(dim=2) - self.bandwidth
        return (1 - over / (self.sampling_rate / 2 - self.bandwidth)).clamp(0, 1)

    def _positions(self, count: int, like: Tensor) -> Tensor:
        return (torch.arange(count, device=like.device, dtype=like.dtype) + (1 - count) / 2) / self.sampling_rate

    def extra_repr(self) -> str:
        return (
            f"w_dim={self.w_dim}, channels={self.channels}, size={self.size}, "
            f"sampling_rate={self.sampling_rate:g}, bandwidth={self.bandwidth:g}"
        )


def _uniform_in_disc(count: int, radius: float) -> Tensor:
    """Points [count, 2], uniform in a disc: a Gaussian's direction, with a length whose square is uniform."""
    points = torch.randn([count, 2])
    x, y = points.square().split(1, dim=1)
    square = x + y
    return points * square.rsqrt() * torch.exp(-square / 4) * radius


def _last(x: Tensor) -> Tensor:
    """[N, channels, samples] -> [N, samples, channels], in that order in memory."""
    return x.transpose(1, 2).contiguous()
