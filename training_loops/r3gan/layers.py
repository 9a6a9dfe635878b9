"""The layers of R3GAN: bias-free convolutions, bias and leaky ReLU, bilinear resampling, bottleneck residual blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
# A leaky ReLU divides the standard deviation of its input by this factor.
GAIN = math.sqrt(2 / (1 + SLOPE**2))


def initialized(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Conv2d | nn.Linear:
    """Draw the weights with a standard deviation of gain / sqrt(fan in); returns the layer."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    return layer


class Convolution(nn.Module):
    """A convolution without bias that keeps the size and computes in the dtype of its input."""

    def __init__(self, channels: int, out: int, kernel: int, groups: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        self.Layer = nn.Conv2d(channels, out, kernel, padding=(kernel - 1) // 2, groups=groups, bias=False)
        initialized(self.Layer, gain)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, H, W] -> [N, out, H, W]."""
        layer = self.Layer
        return F.conv2d(x, layer.weight.to(x.dtype), padding=layer.kernel_size[0] // 2, groups=layer.groups)


class BiasedActivation(nn.Module):
    """Bias, then leaky ReLU; its gain is folded into the preceding weights."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.Bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same."""
        return F.leaky_relu(x + self.Bias.to(x.dtype).view(1, -1, 1, 1), SLOPE)


class ResidualBlock(nn.Module):
    """x + W3 a(W2 a(W1 x)): expand the channels by `expansion`, grouped convolution, project back.

    Without normalization, Fix-up initialization preserves the scale: the last weight starts at zero, the two others
    are divided by the fourth root of the number of blocks in the network.
    """

    def __init__(self, channels: int, groups: int, expansion: int, kernel: int, blocks: int) -> None:
        super().__init__()
        inner, gain = channels * expansion, GAIN * blocks ** (-1 / 4)
        self.LinearLayer1 = Convolution(channels, inner, 1, gain=gain)
        self.LinearLayer2 = Convolution(inner, inner, kernel, groups, gain=gain)
        self.LinearLayer3 = Convolution(inner, channels, 1, gain=0.0)
        self.NonLinearity1 = BiasedActivation(inner)
        self.NonLinearity2 = BiasedActivation(inner)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same."""
        y = self.NonLinearity1(self.LinearLayer1(x))
        return x + self.LinearLayer3(self.NonLinearity2(self.LinearLayer2(y)))


class Resampler(nn.Module):
    """Bilinear resampling by 2: taps such as (1, 2, 1), convolved with a box of 2 x 2 pixels."""

    Kernel: Tensor

    def __init__(self, taps: Sequence[float], *, up: bool) -> None:
        super().__init__()
        row = torch.tensor(np.convolve(taps, (1, 1)), dtype=torch.float32, device="cpu")
        kernel = torch.outer(row, row) / row.sum() ** 2
        self.register_buffer("Kernel", torch.tensor(kernel.tolist()))  # on the device that is the default
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, 2H, 2W] or [N, C, H/2, W/2]."""
        channels, side = x.shape[1], self.Kernel.shape[0]
        resample = F.conv_transpose2d if self.up else F.conv2d
        kernel = (4 * self.Kernel if self.up else self.Kernel.flip([0, 1])).to(x.dtype)
        return resample(x, kernel.expand(channels, 1, -1, -1), stride=2, padding=side // 2 - 1, groups=channels)


class Transition(nn.Module):
    """From one stage to the next: resampling, and a 1 x 1 convolution where the number of channels changes."""

    def __init__(self, channels: int, out: int, taps: Sequence[float], *, up: bool) -> None:
        super().__init__()
        self.Resampler = Resampler(taps, up=up)
        self.LinearLayer = Convolution(channels, out, 1) if channels != out else None
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, H, W] -> [N, out, 2H, 2W] or [N, out, H/2, W/2]; the convolution at the lower resolution."""
        project = self.LinearLayer or nn.Identity()
        return self.Resampler(project(x)) if self.up else project(self.Resampler(x))


class GenerativeBasis(nn.Module):
    """Learned 4 x 4 feature maps, each weighted by a linear function of the latents."""

    def __init__(self, dim: int, channels: int) -> None:
        super().__init__()
        self.Basis = nn.Parameter(torch.randn(channels, 4, 4))
        self.LinearLayer = initialized(nn.Linear(dim, channels, bias=False))

    def forward(self, z: Tensor) -> Tensor:
        """[N, dim] -> [N, channels, 4, 4]."""
        return self.Basis * self.LinearLayer(z)[:, :, None, None]


class DiscriminativeBasis(nn.Module):
    """Dot products with learned 4 x 4 maps, one per channel, and a linear function of them."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.Basis = initialized(nn.Conv2d(channels, channels, 4, groups=channels, bias=False))
        self.LinearLayer = initialized(nn.Linear(channels, dim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, 4, 4] -> [N, dim]."""
        return self.LinearLayer(self.Basis(x).flatten(1))
