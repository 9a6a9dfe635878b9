"""MSG-GAN: G makes an image at every resolution, and D sees all of them, each where its features have that side.

"MSG-GAN: Multi-Scale Gradients for Generative Adversarial Networks", Karnewar and Wang, CVPR 2020. Gradients reach all
resolutions of G from the first step, so nothing has to grow. With torgb_r and features a_r of G at resolution r,

    o_r = torgb_r(a_r),   D input at r: [features from 2r, o_r],   o_r of a real image: its mean over R/r x R/r pixels.

Equalized learning rate, pixel norm and minibatch deviation are ProGAN's; the loss is that of the paper's
MSG-StyleGAN, the non-saturating logistic loss with R1, whose gradient is that of all resolutions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

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
    laid_out,
    reduced,
)
from training_loops.loss import LogisticLoss
from training_loops.presets import Preset
from training_loops.stylegan2.layers import Conv2dLayer
from training_loops.stylegan2.presets import tiny

__all__ = ["MSGGANDiscriminator", "MSGGANGenerator", "MSGGANLoss", "msg_gan", "training_stats"]


class MSGGANGenerator(PlainGenerator):
    """z [N, z_dim] -> the image of the highest resolution, or with `pyramid` those of all, resolution -> image."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widths = self.channels
        self.first = FirstBlock(self.z_dim, widths[4], normalize=True)
        self.blocks = nn.ModuleList(UpBlock(widths[res // 2], widths[res], normalize=True) for res in widths if res > 4)
        self.torgb = nn.ModuleList(Conv2dLayer(width, self.img_channels, kernel_size=1) for width in widths.values())

    def images(self, z: Tensor) -> dict[int, Tensor]:
        """z [N, z_dim] -> o_r [N, img_channels, r, r] by resolution r, ascending."""
        x = self.first(z)
        found = {4: self.torgb[0](x)}
        for res, block, torgb in zip(self.resolutions[1:], self.blocks, self.torgb[1:], strict=True):
            x = block(x)
            found[res] = torgb(x)
        return found

    def draw(self, z: Tensor) -> Tensor:
        return self.images(z)[self.img_resolution]

    def forward(self, z: Tensor, c: Tensor | None = None, pyramid: bool = False) -> Any:
        return self.images(z) if pyramid else super().forward(z, c)


class MSGGANDiscriminator(PlainNetwork):
    """Images by resolution, or those of the highest, of which the others are made -> logits [N, 1].

    Args:
        mbstd_group_size: images that share a minibatch deviation.
        kwargs: those of `PlainNetwork`.
    """

    def __init__(self, *args: Any, mbstd_group_size: int = 4, **kwargs: Any) -> None:
        super().__init__(*args, mbstd_group_size=mbstd_group_size, **kwargs)
        self.sides = self.resolutions[::-1]
        widths, rgb = self.channels, self.img_channels
        self.fromrgb = Conv2dLayer(rgb, widths[self.img_resolution], 1, activation="lrelu")
        self.blocks = nn.ModuleList(
            DownBlock(widths[res] + (0 if res == self.img_resolution else rgb), widths[res // 2], widths[res])
            for res in self.sides
            if res > 4
        )
        extra = 0 if self.img_resolution == 4 else rgb
        self.last = LastBlock(widths[4] + extra, mbstd_group_size, widths[4])

    def forward(self, img: Tensor | Mapping[int, Tensor], c: Tensor | None = None) -> Tensor:
        images = pyramid_of(img, self.resolutions) if isinstance(img, Tensor) else img
        x = self.fromrgb(laid_out(images[self.img_resolution]))
        for block, res in zip(self.blocks, self.sides[1:], strict=True):
            x = torch.cat([block(x), images[res]], dim=1)
        return self.last(x)


def pyramid_of(images: Tensor, resolutions: list[int]) -> dict[int, Tensor]:
    """Return images [N, C, R, R] reduced to all resolutions, resolution -> [N, C, r, r]."""
    return {res: reduced(images, images.shape[2] // res) for res in resolutions}


@dataclass(eq=False, repr=False)
class MSGGANLoss(LogisticLoss):
    """`LogisticLoss` of the images of all resolutions."""

    def run_G(self, z: Tensor, c: Tensor, update_emas: bool = False) -> tuple[dict[int, Tensor], Tensor]:
        """z [N, z_dim] -> images by resolution, z."""
        return self.G(z, c, pyramid=True), z

    def run_D(self, img: Any, c: Tensor, update_emas: bool = False) -> Tensor:
        """Images by resolution -> logits [N, 1]."""
        return self.D(img, c)

    def images_of(self, real_img: Tensor) -> dict[int, Tensor]:
        return pyramid_of(real_img.detach(), self.D.resolutions)

    def regularize_G(self, gen_z: Tensor, gen_c: Tensor, gain: float) -> None:
        """Do nothing with gen_z [N, z_dim] and gen_c [N, 0]: there is no regularization of G."""


def msg_gan(resolution: int, gpus: int) -> Preset:
    """For one CPU thread and images of about 32 pixels."""
    width = {"channel_base": max(768, resolution), "channel_max": 64}
    return replace(
        tiny(resolution, gpus),
        styles=False,
        lr=0.002,
        G_class="training_loops.families.msg_gan.MSGGANGenerator",
        G={"z_dim": 64, **width},
        D_class="training_loops.families.msg_gan.MSGGANDiscriminator",
        D={**width, "mbstd_group_size": 4},
        loss_class="training_loops.families.msg_gan.MSGGANLoss",
        loss={"r1_gamma": 0.3},
    )
