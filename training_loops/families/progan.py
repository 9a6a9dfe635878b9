"""ProGAN: G and D grow together from 4 x 4 pixels to the full resolution, and new layers are faded in.

"Progressive Growing of GANs for Improved Quality, Stability, and Variation", Karras, Aila, Laine and Lehtinen, ICLR
2018. The growth g counts finished resolutions beyond 4 pixels; a = g - floor(g) is the share of the newest one:

    G: (1 - a) up(torgb_k(x_k)) + a torgb_k+1(x_k+1),   k = floor(g),
    D: (1 - a) fromrgb_k(down(y)) + a down(block(fromrgb_k+1(y))),   and real images y <- (1 - a) up(down(y)) + a y.

Equalized learning rate, pixel norm, minibatch deviation, and the loss of WGAN-GP (Gulrajani et al. 2017):

    L_G = -E D(G(z)),
    L_D = E D(G(z)) - E D(x) + lambda E (|grad D(x^)| - 1)^2 + epsilon E D(x)^2,   x^ = x + t (G(z) - x), t ~ U(0, 1).

Images always have the full resolution; pixels are repeated until it is reached.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training_loops import training_stats
from training_loops.families.layers import (
    DownBlock,
    FirstBlock,
    LastBlock,
    PlainGenerator,
    PlainNetwork,
    UpBlock,
    enlarged,
    laid_out,
    reduced,
)
from training_loops.families.losses import Batch, FamilyLoss, penalty, tracked
from training_loops.presets import Preset
from training_loops.stylegan2.layers import Conv2dLayer
from training_loops.stylegan2.presets import tiny


def stage_of(growth: float) -> tuple[int, float]:
    """Return k = floor(g) and a = g - k of the growth g."""
    return math.floor(growth), growth - math.floor(growth)


class Growing(nn.Module):
    """A network with the buffer `growth`, a scalar: g, which snapshots and averages keep like the weights."""

    growth: Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("growth", torch.zeros([]))
        self._read: tuple[tuple[int, int], float] | None = None

    @property
    def grown(self) -> float:
        """The growth, read from the buffer when it has changed: a GPU would have to be waited for."""
        if self._read is None or self._read[0] != self._state:
            self._read = self._state, float(self.growth)
        return self._read[1]

    def grow(self, reached: float) -> None:
        """Set the growth, unless it is further already, as in networks of a snapshot."""
        reached = float(np.float32(reached))  # as the buffer stores it
        if reached > self.grown:
            self.growth.fill_(reached)
            self._read = self._state, reached

    @property
    def _state(self) -> tuple[int, int]:
        """What changes whenever the buffer does."""
        return id(self.growth), self.growth._version


class ProGANGenerator(Growing, PlainGenerator):
    """z [N, z_dim] -> images."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widths = self.channels
        self.first = FirstBlock(self.z_dim, widths[4], normalize=True)
        self.blocks = nn.ModuleList(UpBlock(widths[res // 2], widths[res], normalize=True) for res in widths if res > 4)
        self.torgb = nn.ModuleList(Conv2dLayer(width, self.img_channels, kernel_size=1) for width in widths.values())

    def draw(self, z: Tensor) -> Tensor:
        stage, share = stage_of(self.grown)
        x = self.first(z)
        for block in self.blocks[:stage]:
            x = block(x)
        image = self.torgb[stage](x)
        if share > 0:
            image = enlarged(image).lerp(self.torgb[stage + 1](self.blocks[stage](x)), share)
        return enlarged(image, self.img_resolution // image.shape[2])


class ProGANDiscriminator(Growing, PlainNetwork):
    """Images [N, img_channels, R, R] -> scores [N, 1]: G's mirror image.

    Args:
        mbstd_group_size: images that share a minibatch deviation.
        kwargs: those of `PlainNetwork`.
    """

    def __init__(self, *args: Any, mbstd_group_size: int = 4, **kwargs: Any) -> None:
        super().__init__(*args, mbstd_group_size=mbstd_group_size, **kwargs)
        widths = self.channels
        self.fromrgb = nn.ModuleList(
            Conv2dLayer(self.img_channels, width, 1, activation="lrelu") for width in widths.values()
        )
        self.blocks = nn.ModuleList(DownBlock(widths[res], widths[res // 2]) for res in widths if res > 4)
        self.last = LastBlock(widths[4], mbstd_group_size, widths[4])

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        stage, share = stage_of(self.grown)
        image = laid_out(reduced(img, self.img_resolution // self.resolutions[stage]))
        x = self.fromrgb[stage](image)
        if share > 0:
            larger = laid_out(reduced(img, self.img_resolution // self.resolutions[stage + 1]))
            x = x.lerp(self.blocks[stage](self.fromrgb[stage + 1](larger)), share)
        for block in reversed(self.blocks[:stage]):
            x = block(x)
        return self.last(x)


@dataclass(eq=False, repr=False)
class ProGANLoss(FamilyLoss):
    """The equations above.

    Args:
        gp_weight: lambda, from 0.
        drift_weight: epsilon, from 0.
        grow_kimg: thousand images until the full resolution is trained alone; 0 for the full one at once.
    """

    gp_weight: float = 10
    drift_weight: float = 0.001
    grow_kimg: float = 0

    def loss_G(self, batch: Batch) -> Tensor:
        self._grow(batch.cur_nimg)
        return -self.scores("fake", self.G(batch.gen_z, None))

    def loss_D(self, batch: Batch) -> Tensor:
        self._grow(batch.cur_nimg)
        real, fake = blended(batch.real_img, self.D.grown, self.D.resolutions), self.fakes(batch.gen_z)
        real_scores, fake_scores = self.scores("real", real), self.scores("fake", fake)
        between = tracked(real.lerp(fake, torch.rand([len(real), 1, 1, 1], device=real.device)))
        # Gradients by pixels of a stage: each is repeated (R / r)^2 times in the image.
        lengths = (penalty(self.D(between), between) * self._repeats() + 1e-12).sqrt()
        steepness = training_stats.report("Loss/D/penalty", (lengths - 1).square())
        return fake_scores - real_scores + self.gp_weight * steepness + self.drift_weight * real_scores.square()

    def _repeats(self) -> int:
        """Return how many pixels of the image one pixel of the highest trained resolution has."""
        newest = self.D.resolutions[math.ceil(self.D.grown)]
        return (self.D.img_resolution // newest) ** 2

    def _grow(self, cur_nimg: int) -> None:
        reached = growth_after(cur_nimg, self.grow_kimg * 1000, len(self.G.resolutions) - 1)
        for net in (self.G, self.D):
            net.grow(reached)


def growth_after(nimg: float, grow_nimg: float, levels: int) -> float:
    """Return g after `nimg` images: each of the `levels` resolutions is trained alone, then the next is faded in."""
    position = levels * min(nimg / grow_nimg, 1.0) if grow_nimg > 0 else float(levels)
    stage = math.floor(position)
    # g = k + max(2 (p - k) - 1, 0): the first half of a stage trains resolution k alone
    return min(stage + max(2 * (position - stage) - 1, 0.0), float(levels))


def blended(images: Tensor, growth: float, resolutions: list[int]) -> Tensor:
    """Return real images [N, C, R, R] as D sees those of G at this growth: faded, and with repeated pixels."""
    stage, share = stage_of(growth)
    factor = resolutions[-1] // resolutions[stage]
    coarse = enlarged(reduced(images, factor), factor)
    if share == 0:
        return coarse
    finer = factor // 2
    return coarse.lerp(enlarged(reduced(images, finer), finer), share)


def progan(resolution: int, gpus: int) -> Preset:
    """For one CPU thread and images of about 32 pixels; the full resolution is reached after 60 % of the run."""
    width = {"channel_base": max(1024, resolution), "channel_max": 64}
    return replace(
        tiny(resolution, gpus),
        styles=False,
        lr=0.002,
        D_reg_interval=None,
        grow_share=0.6,
        G_class="training_loops.families.progan.ProGANGenerator",
        G={"z_dim": 64, **width},
        D_class="training_loops.families.progan.ProGANDiscriminator",
        D={**width, "mbstd_group_size": 4},
        loss_class="training_loops.families.progan.ProGANLoss",
        loss={"gp_weight": 10.0, "drift_weight": 0.001},
    )
