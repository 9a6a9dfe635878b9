"""R3GAN, trained here: its networks with this host's arguments, and its relativistic loss with both penalties.

"The GAN is dead; long live the GAN! A Modern Baseline GAN", Huang, Gokaslan, Kuleshov and Tompkin, NeurIPS 2024. Real
and generated images are scored in pairs (Jolicoeur-Martineau 2019), which leaves no minimum where modes are dropped;
gradient penalties on both kinds make it converge:

    L_G = E softplus(D(x) - D(G(z))),
    L_D = E softplus(D(G(z)) - D(x)) + gamma/2 E |grad_x D(x)|^2 + gamma/2 E |grad D(G(z))|^2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from training_loops import training_stats
from training_loops.errors import OptionError
from training_loops.families.layers import PlainGenerator, PlainNetwork, laid_out
from training_loops.families.losses import Batch, FamilyLoss, penalty, tracked
from training_loops.presets import Preset
from training_loops.r3gan.networks import Discriminator, Generator
from training_loops.stylegan2.presets import tiny


class R3Generator(PlainGenerator):
    """z [N, z_dim] -> images [N, 3, R, R]; `model` is the public network.

    Args:
        blocks: residual blocks of a stage, from 1.
        group_size: channels of a group of the grouped convolutions, from 1.
        kwargs: those of `PlainGenerator`.
    """

    def __init__(self, *args: Any, blocks: int = 1, group_size: int = 8, **kwargs: Any) -> None:
        super().__init__(*args, blocks=blocks, group_size=group_size, **kwargs)
        stages = _stages(self, blocks, group_size)
        self.model = Generator(NoiseDimension=self.z_dim, c_dim=0, img_resolution=self.img_resolution, **stages)

    def draw(self, z: Tensor) -> Tensor:
        return self.model(z, None)


class R3Discriminator(PlainNetwork):
    """Images [N, 3, R, R] -> scores [N, 1]. Args: as those of `R3Generator`, without z_dim."""

    def __init__(self, *args: Any, blocks: int = 1, group_size: int = 8, **kwargs: Any) -> None:
        super().__init__(*args, blocks=blocks, group_size=group_size, **kwargs)
        stages = {name: value[::-1] for name, value in _stages(self, blocks, group_size).items()}
        self.model = Discriminator(c_dim=0, **stages)

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        return self.model(laid_out(img), None).unsqueeze(1)


def _stages(net: PlainNetwork, blocks: int, group_size: int) -> dict[str, Any]:
    """Return the public arguments of the stages from 4 pixels on: widths are rounded to whole groups."""
    if net.img_channels != 3:
        raise OptionError(f"images of {net.img_channels} channels: an R3GAN generates 3")
    groups = [max(round(width / group_size), 1) for width in net.channels.values()]
    return {
        "WidthPerStage": [count * group_size for count in groups],
        # Inner features are twice as many, in groups of the same number of channels.
        "CardinalityPerStage": [2 * count for count in groups],
        "BlocksPerStage": [blocks] * len(groups),
    }


@dataclass(eq=False, repr=False)
class R3GANLoss(FamilyLoss):
    """The equations above.

    Args:
        r1_gamma: gamma, from 0.
    """

    r1_gamma: float = 1.0

    def loss_G(self, batch: Batch) -> Tensor:
        fake = self.scores("fake", self.G(batch.gen_z, None))
        return F.softplus(self.scores("real", batch.real_img) - fake)

    def loss_D(self, batch: Batch) -> Tensor:
        real, fake = tracked(batch.real_img), tracked(self.fakes(batch.gen_z))
        of_real, of_fake = self.scores("real", real), self.scores("fake", fake)
        loss = F.softplus(of_fake - of_real)
        if self.r1_gamma == 0:
            return loss
        r1 = training_stats.report("Loss/r1_penalty", penalty(of_real, real))
        r2 = training_stats.report("Loss/r2_penalty", penalty(of_fake, fake))
        return loss + self.r1_gamma / 2 * (r1 + r2)


def r3gan(resolution: int, gpus: int) -> Preset:
    """A narrow one for one CPU thread and images of about 32 pixels, with constant gamma and learning rate."""
    sizes = {"channel_base": max(768, resolution), "channel_max": 192, "blocks": 1, "group_size": 8}
    return replace(
        tiny(resolution, gpus),
        styles=False,
        lr=0.0005,
        D_reg_interval=None,
        G_class="training_loops.families.r3gan.R3Generator",
        G={"z_dim": 64, **sizes},
        D_class="training_loops.families.r3gan.R3Discriminator",
        D=sizes,
        loss_class="training_loops.families.r3gan.R3GANLoss",
        loss={"r1_gamma": 0.05 * resolution**2 / 32},
    )
