"""The base class of the families' losses: a family writes the equations of G and, if it has one, of D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training_loops import training_stats
from training_loops.loss import PHASES, Loss, report_scores


@dataclass(frozen=True)
class Batch:
    """The inputs of one phase.

    Attributes:
        real_img: [N, C, H, W] in [-1, 1].
        gen_z: [N, z_dim], standard normal.
        cur_nimg: images seen before this step.
        real_index: int64 [N], the images' places in the data set, for losses that need them.
    """

    real_img: Tensor
    gen_z: Tensor
    cur_nimg: int
    real_index: Tensor | None = None


@dataclass(eq=False, repr=False)
class FamilyLoss(Loss):
    """Minimizes `loss_G` in the main phases of G, and `loss_D` in those of D.

    Args:
        device: the device of the networks.
        G: the generator.
        D: the discriminator, None for families without one.
        augment_pipe: accepted for the hosts' loops; must be None.
    """

    device: torch.device | str
    G: Any
    D: Any = None
    augment_pipe: Any = None

    def loss_G(self, batch: Batch) -> Tensor:
        """Return the loss of G, [N]."""
        raise NotImplementedError

    def loss_D(self, batch: Batch) -> Tensor:
        """Return the loss of D, [N]; G gets no gradients from it."""
        raise NotImplementedError

    def scores(self, kind: str, images: Tensor) -> Tensor:
        """Return D's scores [N] of `real` or `fake` images, and report them."""
        return report_scores(kind, self.D(images, None).flatten())

    def fakes(self, z: Tensor) -> Tensor:
        """Return the images [N, C, H, W] of z [N, z_dim], without gradients."""
        with torch.no_grad():
            return self.G(z, None)

    def accumulate_gradients(
        self,
        phase: str,
        real_img: Tensor,
        real_c: Tensor,
        gen_z: Tensor,
        gen_c: Tensor,
        gain: float,
        cur_nimg: int,
        real_index: Tensor | None = None,
    ) -> None:
        if phase not in PHASES:
            raise ValueError(f"phase={phase!r}: known are {', '.join(PHASES)}")
        batch = Batch(real_img.detach(), gen_z, cur_nimg, real_index)
        for name, loss_of in (("G", self.loss_G), ("D", self.loss_D)):
            if phase in (f"{name}main", f"{name}both"):
                loss = training_stats.report(f"Loss/{name}/loss", loss_of(batch))
                loss.mean().mul(gain).backward()


def tracked(images: Tensor) -> Tensor:
    """Return images [N, C, H, W] as `penalty` needs them: by themselves, with gradients."""
    return images.detach().requires_grad_(True)


def penalty(scores: Tensor, images: Tensor) -> Tensor:
    """Return |grad_x D(x)|^2 per image [N], differentiable by the weights of D.

    Args:
        scores: D(x) [N] or [N, 1].
        images: x [N, C, H, W], `tracked` before they were scored.
    """
    # The gradient of the sum over a batch contains each image's, as D treats images separately (but for minibatch std).
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.square().sum(dim=[1, 2, 3])
