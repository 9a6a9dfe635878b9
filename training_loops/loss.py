"""Base classes of all losses: the interface for the loop, the non-saturating logistic loss, R1 and style mixing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops import training_stats

PHASES = ("Gmain", "Greg", "Gboth", "Dmain", "Dreg", "Dboth")


class Loss:
    """The interface of a loss for the training loop.

    A loss with a true attribute `needs_index` also gets `real_index`, int64 [N]: the images' places in the data set.
    """

    def accumulate_gradients(
        self, phase: str, real_img: Tensor, real_c: Tensor, gen_z: Tensor, gen_c: Tensor, gain: float, cur_nimg: int
    ) -> None:
        """Add the gradients of `phase` times `gain` to the parameters that require them.

        Args:
            phase: one of `PHASES`.
            real_img: real images [N, C, H, W] in [-1, 1].
            real_c: their labels [N, c_dim].
            gen_z: latents [N, z_dim] of generated images.
            gen_c: their labels [N, c_dim].
            gain: factor of the gradients.
            cur_nimg: images seen so far.
        """
        raise NotImplementedError


@dataclass(eq=False, repr=False)
class LogisticLoss(Loss):
    """Goodfellow et al. 2014 with R1 (Mescheder et al. 2018).

    G: softplus(-D(G(z))). D: softplus(D(G(z))) + softplus(-D(x)), and every `D_reg_interval` steps R1,
    gamma/2 |grad_x D(x)|^2. Subclasses define the regularization of G (`regularize_G`) and the input of D: an
    image, or a dictionary of images. They add their own fields to these.

    Args:
        device: the device of the networks.
        G: the generator.
        D: the discriminator.
        augment_pipe: a module from images to augmented images of the same shape; None for none.
        r1_gamma: weight gamma of R1, from 0.
        style_mixing_prob: probability of style mixing, 0 to 1.
    """

    device: torch.device | str
    G: Any
    D: Any
    augment_pipe: Any = None
    r1_gamma: float = 10
    style_mixing_prob: float = 0

    def __post_init__(self) -> None:
        self.device = torch.device(self.device)

    def run_G(self, z: Tensor, c: Tensor, update_emas: bool = False) -> tuple[Any, Tensor]:
        """z [N, z_dim], c [N, c_dim] -> images, ws [N, num_ws, w_dim], with style mixing."""
        raise NotImplementedError

    def run_D(self, img: Any, c: Tensor, update_emas: bool = False) -> Tensor:
        """Images, c [N, c_dim] -> logits [N, 1]."""
        raise NotImplementedError

    def images_of(self, real_img: Tensor) -> Any:
        """Real images [N, C, H, W] in [-1, 1] -> D's input for them, without gradients."""
        raise NotImplementedError

    def regularize_G(self, gen_z: Tensor, gen_c: Tensor, gain: float) -> None:
        """Add the gradients of phase Greg, for gen_z [N, z_dim] and gen_c [N, c_dim]."""
        raise NotImplementedError

    def accumulate_gradients(
        self, phase: str, real_img: Tensor, real_c: Tensor, gen_z: Tensor, gen_c: Tensor, gain: float, cur_nimg: int
    ) -> None:
        if phase not in PHASES:
            raise ValueError(f"phase={phase!r}: known are {', '.join(PHASES)}")
        if phase in ("Gmain", "Gboth"):
            self._g_main(gen_z, gen_c, gain)
        if phase in ("Greg", "Gboth"):
            self.regularize_G(gen_z, gen_c, gain)
        if phase in ("Dmain", "Dboth"):
            self._d_main(real_img, real_c, gen_z, gen_c, gain)
        if phase in ("Dreg", "Dboth") and self.r1_gamma != 0:
            self._d_r1(real_img, real_c, gain)

    def mapped(self, z: Tensor, c: Tensor, update_emas: bool = False) -> Tensor:
        """z [N, z_dim], c [N, c_dim] -> ws [N, num_ws, w_dim], with style mixing."""
        ws = self.G.mapping(z, c, update_emas=update_emas)
        return self._mix_styles(ws, z, c) if self.style_mixing_prob > 0 else ws

    def _mix_styles(self, ws: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """With probability `style_mixing_prob` replace the ws from a random layer on by those of another z."""
        num_ws = ws.shape[1]
        if num_ws < 2:
            return ws
        # ws'_l = ws_l for l < crossover, else those of another z; StyleGAN, section 3.1. Random numbers are
        # drawn whether styles are mixed or not, to avoid a synchronization with the device.
        crossover = torch.randint(1, num_ws, [], device=ws.device)
        mixed = torch.rand([], device=ws.device) < self.style_mixing_prob
        crossover = torch.where(mixed, crossover, num_ws)
        other = self.G.mapping(torch.randn_like(z), c, update_emas=False)
        keep = torch.arange(num_ws, device=ws.device) < crossover
        return torch.where(keep[None, :, None], ws, other)

    def _g_main(self, gen_z: Tensor, gen_c: Tensor, gain: float) -> None:
        # min_G  E_z[-log sigmoid(D(G(z)))] = E_z[softplus(-D(G(z)))], the non-saturating loss
        img, _ws = self.run_G(gen_z, gen_c)
        logits = report_scores("fake", self.run_D(img, gen_c))
        loss = F.softplus(-logits)
        training_stats.report("Loss/G/loss", loss)
        loss.mean().mul(gain).backward()

    def _d_main(self, real_img: Tensor, real_c: Tensor, gen_z: Tensor, gen_c: Tensor, gain: float) -> None:
        # min_D  E_z[softplus(D(G(z)))] + E_x[softplus(-D(x))], as -log(1 - sigmoid(d)) = softplus(d). Each half has its
        # own backward pass, so that only one graph is in memory.
        with torch.no_grad():
            gen_img, _ws = self.run_G(gen_z, gen_c, update_emas=True)
        gen_logits = report_scores("fake", self.run_D(gen_img, gen_c, update_emas=True))
        gen_loss = F.softplus(gen_logits)
        gen_loss.mean().mul(gain).backward()
        real_logits = report_scores("real", self.run_D(self.images_of(real_img), real_c))
        real_loss = F.softplus(-real_logits)
        training_stats.report("Loss/D/loss", gen_loss.detach() + real_loss)
        real_loss.mean().mul(gain).backward()

    def _d_r1(self, real_img: Tensor, real_c: Tensor, gain: float) -> None:
        # R1 = gamma / 2 E_x ||grad_x D(x)||^2 (Mescheder et al. 2018, Eq. 9). The gradient of the sum over a batch
        # contains each image's gradient, because D treats images separately (except for the minibatch std).
        img = self.images_of(real_img)
        parts = [part.requires_grad_(True) for part in (img.values() if isinstance(img, dict) else [img])]
        logits = report_scores("real", self.run_D(img, real_c))
        gradients = torch.autograd.grad(logits.sum(), parts, create_graph=True)
        penalty = torch.stack([gradient.square().sum(dim=[1, 2, 3]) for gradient in gradients]).sum(dim=0)  # [N]
        training_stats.report("Loss/r1_penalty", penalty)
        loss = training_stats.report("Loss/D/reg", penalty * (self.r1_gamma / 2))
        loss.mean().mul(gain).backward()


def report_scores(kind: str, logits: Tensor) -> Tensor:
    """Report the scores [N] or [N, 1] of real or fake images and their signs; return them."""
    training_stats.report(f"Loss/scores/{kind}", logits)
    training_stats.report(f"Loss/signs/{kind}", logits.sign())
    return logits
