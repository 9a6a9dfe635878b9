"""What networks of several families share: arguments, pixel norm, and blocks that double or halve the side."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.errors import OptionError
from training_loops.stylegan2 import ops
from training_loops.stylegan2.discriminator import MinibatchStdLayer
from training_loops.stylegan2.generator import block_resolutions
from training_loops.stylegan2.layers import Conv2dLayer, FullyConnectedLayer


class PlainNetwork(nn.Module):
    """A network without labels that stores its arguments in `init_kwargs`, so that a snapshot can rebuild it.

    Features at a resolution r have ``min(channel_base // r, channel_max)`` channels.

    Args:
        c_dim: must be 0.
        img_resolution: side R of the images, a power of two from 4.
        img_channels: 3 for colour.
        channel_base: see above; at least R.
        channel_max: see above, from 1.
        more: the other arguments of the class.
    Raises:
        OptionError: labels, or sizes out of range.
    """

    def __init__(
        self, c_dim: int, img_resolution: int, img_channels: int, channel_base: int, channel_max: int, **more: Any
    ) -> None:
        super().__init__()
        if c_dim:
            raise OptionError(
                f"labels of {c_dim} numbers: a {type(self).__name__} is unconditional, train without them"
            )
        sizes = {"c_dim": c_dim, "img_resolution": img_resolution, "img_channels": img_channels}
        self.init_kwargs = {**sizes, "channel_base": channel_base, "channel_max": channel_max, **more}
        self.c_dim = c_dim
        self.img_resolution = img_resolution
        self.img_channels = img_channels
        self.resolutions = block_resolutions(img_resolution)
        self.channels = {res: max(min(channel_base // res, channel_max), 1) for res in self.resolutions}

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.init_kwargs.items())


class PlainGenerator(PlainNetwork):
    """z [N, z_dim] -> images [N, img_channels, R, R], about [-1, 1]; subclasses define `draw`."""

    def __init__(self, z_dim: int, c_dim: int, img_resolution: int, img_channels: int, **kwargs: Any) -> None:
        super().__init__(c_dim, img_resolution, img_channels, z_dim=z_dim, **kwargs)
        self.z_dim = z_dim

    def draw(self, z: Tensor) -> Tensor:
        """z [N, z_dim] -> images."""
        raise NotImplementedError

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise ValueError(f"z: got {list(z.shape)}, expected [N, {self.z_dim}]")
        return self.draw(z)


class PixelNorm(nn.Module):
    """x [N, C, ...] -> x / sqrt(mean_c x^2 + 1e-8) (Karras et al. 2018, section 4.2)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class UpBlock(nn.Module):
    """x [N, I, r, r] -> [N, O, 2r, 2r]: nearest neighbours, then two convolutions, with pixel norm if asked for."""

    def __init__(self, inputs: int, outputs: int, normalize: bool = False) -> None:
        super().__init__()
        self.conv0 = Conv2dLayer(inputs, outputs, 3, activation="lrelu")
        self.conv1 = Conv2dLayer(outputs, outputs, 3, activation="lrelu")
        self.norm = PixelNorm() if normalize else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv0(enlarged(x)))
        return self.norm(self.conv1(x))


class FirstBlock(nn.Module):
    """z [N, z_dim] -> features [N, C, 4, 4]: fully connected, then a convolution, with pixel norm if asked for."""

    def __init__(self, z_dim: int, channels: int, normalize: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.fc = FullyConnectedLayer(z_dim, channels * 16, activation="lrelu")
        self.conv = Conv2dLayer(channels, channels, 3, activation="lrelu")
        self.norm = PixelNorm() if normalize else nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        x = self.norm(self.fc(self.norm(z)).view(-1, self.channels, 4, 4))
        return self.norm(self.conv(laid_out(x)))


class DownBlock(nn.Module):
    """x [N, I, r, r] -> [N, O, r/2, r/2]: two convolutions, then the means of 2 x 2 pixels."""

    def __init__(self, inputs: int, outputs: int, tmp: int | None = None) -> None:
        super().__init__()
        hidden = tmp or inputs
        self.conv0 = Conv2dLayer(inputs, hidden, 3, activation="lrelu")
        self.conv1 = Conv2dLayer(hidden, outputs, 3, activation="lrelu")

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv1(self.conv0(x)), 2)


class LastBlock(nn.Module):
    """Features [N, C, 4, 4] -> logits [N, 1], with one more map for the deviation between images of a group."""

    def __init__(self, channels: int, mbstd_group_size: int, outputs: int) -> None:
        super().__init__()
        self.mbstd = MinibatchStdLayer(mbstd_group_size)
        self.conv = Conv2dLayer(channels + 1, outputs, 3, activation="lrelu")
        self.fc = FullyConnectedLayer(outputs * 16, outputs, activation="lrelu")
        self.out = FullyConnectedLayer(outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.fc(self.conv(self.mbstd(x)).flatten(1)))


class Decoder(nn.Module):
    """z [N, z_dim] -> images [N, img_channels, R, R]: the blocks above without normalization, as VAE and GLO have."""

    def __init__(self, z_dim: int, channels: dict[int, int], img_channels: int) -> None:
        super().__init__()
        self.first = FirstBlock(z_dim, channels[4])
        self.blocks = nn.ModuleList(UpBlock(channels[res // 2], channels[res]) for res in channels if res > 4)
        self.torgb = Conv2dLayer(channels[max(channels)], img_channels, kernel_size=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.first(z)
        for block in self.blocks:
            x = block(x)
        return self.torgb(x)


def enlarged(x: Tensor, factor: int = 2) -> Tensor:
    """x [N, C, H, W] -> [N, C, factor H, factor W], nearest neighbours; the means of factor x factor pixels undo it."""
    return F.interpolate(x, scale_factor=factor, mode="nearest") if factor > 1 else x


def reduced(x: Tensor, factor: int = 2) -> Tensor:
    """x [N, C, H, W] -> [N, C, H / factor, W / factor], the means of factor x factor pixels."""
    return F.avg_pool2d(x, factor) if factor > 1 else x


def laid_out(x: Tensor) -> Tensor:
    """Return x [N, C, H, W] in the memory format that its device is fastest with."""
    return x.contiguous(memory_format=ops.memory_format(torch.device(x.device), False))
