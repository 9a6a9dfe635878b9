"""DCGAN: strided convolutions and batch normalization, trained by the original game of two players.

"Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks", Radford, Metz and
Chintala, ICLR 2016. No pooling and no hidden fully connected layers; ReLU in G, leaky ReLU in D, tanh at the end of G,
batch normalization everywhere but in G's last and D's first layer. The loss is Goodfellow et al.'s (2014), in its
non-saturating form for G:

    L_D = E_x[-log s(D(x))] + E_z[-log(1 - s(D(G(z))))],   L_G = E_z[-log s(D(G(z)))],   s the sigmoid.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.families.layers import PlainGenerator, PlainNetwork, laid_out
from training_loops.families.losses import Batch, FamilyLoss
from training_loops.presets import Preset
from training_loops.stylegan2.presets import tiny


class DCGANGenerator(PlainGenerator):
    """z [N, z_dim] -> images [N, img_channels, R, R] in [-1, 1]; a projection, then transposed convolutions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widths = list(self.channels.values())
        layers: list[nn.Module] = [nn.ConvTranspose2d(self.z_dim, widths[0], 4, bias=False)]
        for inputs, outputs in pairwise(widths):
            layers += [*_normalized(inputs, nn.ReLU()), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
        # The paper's last layer doubles the side too; here it keeps it, so that 4 x 4 images have one as well.
        layers += [*_normalized(widths[-1], nn.ReLU()), nn.Conv2d(widths[-1], self.img_channels, 3, padding=1)]
        self.layers = nn.Sequential(*layers)
        self.layers.apply(_initialize)

    def draw(self, z: Tensor) -> Tensor:
        return torch.tanh(self.layers(laid_out(z[:, :, None, None])))


class DCGANDiscriminator(PlainNetwork):
    """Images [N, img_channels, R, R] -> logits [N, 1]: the mirror image of G, with strided convolutions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widths = [self.channels[res] for res in reversed(self.resolutions)]
        layers: list[nn.Module] = [nn.Conv2d(self.img_channels, widths[0], 3, padding=1), nn.LeakyReLU(0.2)]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), *_normalized(outputs, nn.LeakyReLU(0.2))]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4))
        self.layers.apply(_initialize)

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        return self.layers(laid_out(img)).flatten(1)


def _normalized(channels: int, activation: nn.Module) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), activation]


def _initialize(layer: nn.Module) -> None:
    """Draw the weights from N(0, 0.02^2), and the scales of batch normalization from N(1, 0.02^2)."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, std=0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, mean=1.0, std=0.02)


class DCGANLoss(FamilyLoss):
    """The equations above; -log s(d) = softplus(-d) and -log(1 - s(d)) = softplus(d)."""

    def loss_G(self, batch: Batch) -> Tensor:
        return F.softplus(-self.scores("fake", self.G(batch.gen_z, None)))

    def loss_D(self, batch: Batch) -> Tensor:
        # Real and generated images are normalized apart, each by the statistics of its own batch.
        fake = F.softplus(self.scores("fake", self.fakes(batch.gen_z)))
        return fake + F.softplus(-self.scores("real", batch.real_img))


def dcgan(resolution: int, gpus: int) -> Preset:
    """The paper's optimizer at a quarter of its width, for one CPU thread and images of about 32 pixels."""
    width = {"channel_base": max(1024, resolution), "channel_max": 128}
    return replace(
        tiny(resolution, gpus),
        styles=False,
        batch=16,
        lr=0.0002,
        lr_final=1.0,
        betas=(0.5, 0.999),
        D_reg_interval=None,
        G_class="training_loops.families.dcgan.DCGANGenerator",
        G={"z_dim": 100, **width},
        D_class="training_loops.families.dcgan.DCGANDiscriminator",
        D=width,
        loss_class="training_loops.families.dcgan.DCGANLoss",
    )
