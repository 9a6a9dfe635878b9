"""The layers of StyleMapGAN: the stylemap's layout, its resizer, and modulation that differs between pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.errors import OptionError
from training_loops.stylegan2 import ops
from training_loops.stylegan2.layers import Conv2dLayer


def halved(x: Tensor) -> Tensor:
    """x [N, C, H, W] -> [N, C, H/2, W/2], the means of 2 x 2 pixels."""
    return F.avg_pool2d(x, 2)


def doubled(x: Tensor) -> Tensor:
    """x [N, C, H, W] -> [N, C, 2H, 2W], bilinear; a constant stays the same."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def stylemap_channels(w_dim: int, size: int) -> int:
    """Return the channels C of a stylemap of `size` x `size` cells; raises OptionError unless C size^2 = w_dim."""
    if size < 1 or w_dim % size**2:
        raise OptionError(f"w_dim={w_dim}: expected a multiple of {size**2}, for a stylemap of {size} x {size} cells")
    return w_dim // size**2


def to_map(ws: Tensor, size: int) -> Tensor:
    """ws [N, 1, size * size * C] -> stylemap [N, C, size, size]; axis (y size + x) C + c: channel c of cell (y, x)."""
    n, _, dim = ws.shape
    return ws.reshape(n, size, size, dim // size**2).permute(0, 3, 1, 2)


def to_ws(stylemap: Tensor) -> Tensor:
    """Stylemap [N, C, size, size] -> ws [N, 1, size * size * C], the inverse of `to_map`."""
    return stylemap.permute(0, 2, 3, 1).flatten(1).unsqueeze(1)


class StylemapResizer(nn.Module):
    """Stylemap [N, C, s, s] -> one stylemap for each resolution: a convolution after each doubling or halving.

    Args:
        channels: C.
        size: s, one of the resolutions.
        widths: resolution -> channels of its stylemap, ascending by factors of 2.
    """

    def __init__(self, channels: int, size: int, widths: dict[int, int]) -> None:
        super().__init__()
        self.size = size
        self.resolutions = list(widths)
        self.convs = nn.ModuleDict()
        for res, width in widths.items():
            # From the cells outwards: each resolution gets the stylemap of its neighbour towards s.
            inputs = channels if res == size else widths[res // 2 if res > size else 2 * res]
            self.convs[f"r{res}"] = Conv2dLayer(inputs, width, kernel_size=3, activation="lrelu")

    def forward(self, stylemap: Tensor) -> dict[int, Tensor]:
        # t_s = conv(w), t_2r = conv(up t_r) above s, t_r/2 = conv(down t_r) below
        at = {self.size: self.convs[f"r{self.size}"](stylemap)}
        for res in self.resolutions:
            if res > self.size:
                at[res] = self.convs[f"r{res}"](doubled(at[res // 2]))
        for res in reversed(self.resolutions):
            if res < self.size:
                at[res] = self.convs[f"r{res}"](halved(at[2 * res]))
        return at


class Modulation(nn.Module):
    """Features h [N, K, H, W], stylemap t [N, C, H, W] -> gamma(t) (h - mu) / sigma + beta(t), section 3.1.

    mu and sigma are of each image and channel over its pixels; gamma and beta differ between pixels.
    """

    def __init__(self, style_channels: int, channels: int) -> None:
        super().__init__()
        self.gamma = Conv2dLayer(style_channels, channels, kernel_size=1)
        self.beta = Conv2dLayer(style_channels, channels, kernel_size=1)

    def forward(self, h: Tensor, stylemap: Tensor) -> Tensor:
        # h' = gamma (h - mu) / sigma + beta; gamma starts around 1
        variance, mean = torch.var_mean(h, dim=[2, 3], keepdim=True, unbiased=False)
        return (1 + self.gamma(stylemap)) * ((h - mean) * (variance + 1e-8).rsqrt()) + self.beta(stylemap)


class SynthesisBlock(nn.Module):
    """Features [N, in_channels, R/2, R/2], or None at the lowest resolution R, -> [N, out_channels, R, R]."""

    def __init__(self, in_channels: int, out_channels: int, style_channels: int, resolution: int) -> None:
        super().__init__()
        if in_channels == 0:
            self.const = nn.Parameter(torch.randn([out_channels, resolution, resolution]))
        else:
            self.conv0 = Conv2dLayer(in_channels, out_channels, 3, bias=False, activation="lrelu", up=2)
        self.modulation0 = Modulation(style_channels, out_channels)
        self.conv1 = Conv2dLayer(out_channels, out_channels, 3, activation="lrelu")
        self.modulation1 = Modulation(style_channels, out_channels)

    def forward(self, x: Tensor | None, stylemap: Tensor) -> Tensor:
        if x is None:
            layout = ops.memory_format(stylemap.device, False)
            x = self.const.unsqueeze(0).expand(len(stylemap), -1, -1, -1).contiguous(memory_format=layout)
        else:
            x = self.conv0(x)
        x = self.modulation0(x, stylemap)
        return self.modulation1(self.conv1(x), stylemap)
