"""LAPGAN: a Laplacian pyramid of generators, each of which adds the details of its resolution to a blurred image.

"Deep Generative Image Models using a Laplacian Pyramid of Adversarial Networks", Denton, Chintala, Szlam and Fergus,
NeurIPS 2015. With d halving and u doubling the side, I_0 = x, I_k+1 = d(I_k), and details h_k = I_k - u(I_k+1), images
are generated from the coarsest level K, where u(I_K+1) = 0, down to 0:

    I~_k = u(I~_k+1) + G_k(z_k, u(I~_k+1)).

Each level is a conditional GAN of its own, trained on real blurred images l_k = u(d(I_k)): D_k sees (h, l_k) with the
real h_k or h~_k = G_k(z_k, l_k). The noise of all levels, coarsest first, is one z.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.errors import OptionError
from training_loops.families.layers import FirstBlock, PlainGenerator, PlainNetwork, enlarged, laid_out, reduced
from training_loops.families.losses import Batch, FamilyLoss, penalty, tracked
from training_loops.presets import Preset
from training_loops.stylegan2.generator import block_resolutions
from training_loops.stylegan2.layers import Conv2dLayer, FullyConnectedLayer
from training_loops.stylegan2.presets import tiny
from training_loops.training_stats import report

COARSEST = 8  # side of the coarsest level, or that of smaller images


class Level(nn.Module):
    """z_k [N, dim] and a blurred image [N, img_channels, r, r] -> details of the same shape.

    The noise is one more channel of the image, a linear function of z_k; at the coarsest level, z_k makes the image.
    """

    def __init__(self, dim: int, side: int, width: int, img_channels: int, coarsest: bool) -> None:
        super().__init__()
        self.side = side
        self.first = FirstBlock(dim, width) if coarsest else None
        self.plane = None if coarsest else FullyConnectedLayer(dim, side**2)
        self.conv0 = Conv2dLayer(width if coarsest else img_channels + 1, width, 3, activation="lrelu")
        self.conv1 = Conv2dLayer(width, width, 3, activation="lrelu")
        self.out = Conv2dLayer(width, img_channels, 3)

    def forward(self, z: Tensor, blurred: Tensor) -> Tensor:
        if self.first is not None:
            x = enlarged(self.first(z), self.side // 4)
        else:
            assert self.plane is not None
            x = torch.cat([blurred, self.plane(z).view(-1, 1, self.side, self.side)], dim=1)
        return self.out(self.conv1(self.conv0(laid_out(x))))


class LAPGANGenerator(PlainGenerator):
    """z [N, z_dim] -> images; axes ``[i D/L, (i+1) D/L)`` of z are the noise of level i of L, coarsest first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sides = _sides(self.resolutions)
        if self.z_dim % len(self.sides):
            raise OptionError(f"z_dim={self.z_dim}: expected a multiple of the {len(self.sides)} levels")
        dim = self.z_dim // len(self.sides)
        self.levels = nn.ModuleList(
            Level(dim, side, self.channels[side], self.img_channels, side == self.sides[0]) for side in self.sides
        )

    def split(self, z: Tensor) -> tuple[Tensor, ...]:
        """z [N, z_dim] -> the noise of each level, [N, D / L] each, coarsest first."""
        return z.chunk(len(self.sides), dim=1)

    def draw(self, z: Tensor) -> Tensor:
        image = z.new_zeros([len(z), self.img_channels, self.sides[0] // 2, self.sides[0] // 2])
        for level, noise in zip(self.levels, self.split(z), strict=True):
            blurred = enlarged(image)
            image = blurred + level(noise, blurred)
        return image


class LAPGANDiscriminator(PlainNetwork):
    """The discriminators of all levels; as one, images [N, img_channels, R, R] -> logits [N, 1], their mean."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sides = _sides(self.resolutions)
        self.levels = nn.ModuleList(self._level(self.channels[side]) for side in self.sides)

    def _level(self, width: int) -> nn.Module:
        return nn.Sequential(
            Conv2dLayer(2 * self.img_channels, width, 3, activation="lrelu"),
            Conv2dLayer(width, 2 * width, 3, activation="lrelu", down=2),
            Conv2dLayer(2 * width, 2 * width, 3, activation="lrelu", down=2),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            FullyConnectedLayer(8 * width, 1),
        )

    def judge(self, number: int, details: Tensor, blurred: Tensor) -> Tensor:
        """Return the logits [N, 1] of level `number` for details and blurred images, [N, img_channels, r, r] each."""
        # D_k(I_k, l_k): what is judged is the image that the details make, beside the blurred one
        return self.levels[number](laid_out(torch.cat([blurred + details, blurred], dim=1)))

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        pairs = laplacian_pyramid(img, self.sides)
        return torch.stack([self.judge(number, *pair) for number, pair in enumerate(pairs)]).mean(dim=0)


@dataclass(eq=False, repr=False)
class LAPGANLoss(FamilyLoss):
    """The mean over the levels of the non-saturating logistic loss, with R1 on the images of each level.

    Args:
        r1_gamma: weight of R1 (Mescheder et al. 2018), which the paper did not know, from 0.
    """

    r1_gamma: float = 0.1

    def loss_G(self, batch: Batch) -> Tensor:
        # 1/L sum_k softplus(-D_k(h~_k, l_k))
        return self._mean(
            F.softplus(-self.D.judge(number, made, blurred)) for number, made, _, blurred in self._levels(batch)
        )

    def loss_D(self, batch: Batch) -> Tensor:
        # 1/L sum_k [softplus(D_k(h~_k, l_k)) + softplus(-D_k(h_k, l_k)) + gamma/2 |grad_h D_k(h_k, l_k)|^2]
        return self._mean(self._level_D(*level) for level in self._levels(batch))

    def _level_D(self, number: int, made: Tensor, details: Tensor, blurred: Tensor) -> Tensor:
        details = tracked(details)
        real = self.D.judge(number, details, blurred)
        report("Loss/scores/real", real)
        loss = F.softplus(self.D.judge(number, made.detach(), blurred)) + F.softplus(-real)
        if self.r1_gamma == 0:
            return loss
        return loss + self.r1_gamma / 2 * penalty(real, details).unsqueeze(1)

    def _levels(self, batch: Batch) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
        """Yield number, generated details, real details and blurred real images of every level, coarsest first."""
        pyramid = laplacian_pyramid(batch.real_img, self.G.sides)
        for number, (noise, (details, blurred)) in enumerate(zip(self.G.split(batch.gen_z), pyramid, strict=True)):
            yield number, self.G.levels[number](noise, blurred), details, blurred

    def _mean(self, losses: Iterator[Tensor]) -> Tensor:
        return torch.cat(list(losses), dim=1).mean(dim=1)


def laplacian_pyramid(images: Tensor, sides: list[int]) -> list[tuple[Tensor, Tensor]]:
    """Return (details, blurred) of each level for images [N, C, R, R], coarsest first; their sum is the level's image.

    Args:
        images: the finest level.
        sides: of the levels, ascending by factors of 2 to R. The blurred image of the first one is 0.
    """
    levels = []
    for side in reversed(sides):
        blurred = enlarged(reduced(images)) if side > sides[0] else torch.zeros_like(images)
        levels.append((images - blurred, blurred))
        images = reduced(images)
    return levels[::-1]


def _sides(resolutions: list[int]) -> list[int]:
    return [res for res in resolutions if res >= min(COARSEST, resolutions[-1])]


def lapgan(resolution: int, gpus: int) -> Preset:
    """For one CPU thread and images of about 32 pixels: 32 axes of z for each level."""
    levels = len(_sides(block_resolutions(resolution)))
    width = {"channel_base": max(2048, resolution), "channel_max": 64}
    return replace(
        tiny(resolution, gpus),
        styles=False,
        lr=0.003,
        betas=(0.5, 0.99),
        D_reg_interval=None,
        G_class="training_loops.families.lapgan.LAPGANGenerator",
        G={"z_dim": 32 * levels, **width},
        D_class="training_loops.families.lapgan.LAPGANDiscriminator",
        D=width,
        loss_class="training_loops.families.lapgan.LAPGANLoss",
        loss={"r1_gamma": 0.1},
    )
