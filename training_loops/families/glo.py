"""GLO: no discriminator and no encoder; every training image has a latent of its own, learned together with G.

"Optimizing the Latent Space of Generative Networks", Bojanowski, Joulin, Lopez-Paz and Szlam, ICML 2018:

    min_G  w/n sum_i min_{z_i in B} [Lap1(G(z_i), x_i) + v |G(z_i) - x_i|^2],   B = {z : |z| <= sqrt(D)},

where w changes the scale only.

After every step latents beyond the ball return to it: z <- z min(1, sqrt(D) / |z|). The paper's ball has radius 1; here
the axes have the scale of N(0, I). New images are drawn from a Gaussian fitted to the learned latents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from training_loops import training_stats
from training_loops.families.gaussian import FittedGaussian
from training_loops.families.layers import Decoder, PlainGenerator
from training_loops.families.losses import Batch, FamilyLoss
from training_loops.presets import Preset
from training_loops.stylegan2.presets import tiny
from training_loops.stylemap.loss import laplacian_distance


class GLOGenerator(PlainGenerator):
    """z [N, z_dim] -> images, through the Gaussian; `codes` [num_images, z_dim] are the latents of the training images.

    Args:
        num_images: n.
        kwargs: those of `PlainGenerator`.
    """

    def __init__(self, *args: Any, num_images: int, **kwargs: Any) -> None:
        super().__init__(*args, num_images=num_images, **kwargs)
        self.codes = nn.Parameter(in_ball(torch.randn([num_images, self.z_dim])))
        self.prior = FittedGaussian(self.z_dim)
        self.decoder = Decoder(self.z_dim, self.channels, self.img_channels)

    def draw(self, z: Tensor) -> Tensor:
        return self.decoder(self.prior(z))


@dataclass(eq=False, repr=False)
class GLOLoss(FamilyLoss):
    """The equation above.

    Args:
        image_weight: w, more than 0. It sets this loss against that of links.
        l2_weight: v, from 0.
    """

    needs_index: ClassVar[bool] = True
    image_weight: float = 10.0
    l2_weight: float = 1.0

    def loss_G(self, batch: Batch) -> Tensor:
        assert batch.real_index is not None
        with torch.no_grad():  # the projection after the last step: of all latents, alike in all processes
            self.G.codes.copy_(in_ball(self.G.codes))
        codes = self.G.codes[batch.real_index]
        self.G.prior.observe(codes)
        images = self.G.decoder(codes)
        pyramid = training_stats.report("Loss/G/lap1", laplacian_distance(images, batch.real_img))
        squared = training_stats.report("Loss/G/l2", (images - batch.real_img).square().mean(dim=[1, 2, 3]))
        return self.image_weight * (pyramid + self.l2_weight * squared)


def in_ball(codes: Tensor) -> Tensor:
    """Return latents [N, D], those beyond the ball of radius sqrt(D) moved to its nearest point."""
    radius = math.sqrt(codes.shape[1])
    return codes * (radius / codes.norm(dim=1, keepdim=True).clamp_min(radius))


def glo(resolution: int, gpus: int) -> Preset:
    """For one CPU thread and images of about 32 pixels.

    Adam without momentum: a latent then stands still between two visits of its image, and its second moment falls
    meanwhile, so that it learns up to ten times as fast as the weights, as in the paper.
    """
    width = {"channel_base": max(1024, resolution), "channel_max": 64}
    return replace(
        tiny(resolution, gpus),
        styles=False,
        per_image=True,
        lr=0.01,
        G_class="training_loops.families.glo.GLOGenerator",
        G={"z_dim": 64, **width},
        D_class=None,
        loss_class="training_loops.families.glo.GLOLoss",
        loss={"image_weight": 10.0, "l2_weight": 1.0},
    )
