"""The StyleGAN2 loss: non-saturating logistic, R1 on real images, path length on generated ones."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops import training_stats

PHASES = ("Gmain", "Greg", "Gboth", "Dmain", "Dreg", "Dboth")


class Loss:
    """What a training loop asks of a loss object."""

    def accumulate_gradients(
        self, phase: str, real_img: Tensor, real_c: Tensor, gen_z: Tensor, gen_c: Tensor, gain: float, cur_nimg: int
    ) -> None:
        """Add the gradients of `phase` times `gain` to the parameters that require them."""
        raise NotImplementedError


class StyleGAN2Loss(Loss):
    """Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN".

    G: softplus(-D(G(z))), and every `G_reg_interval` steps the path length penalty (|J^T y| - a)^2 with y noise of
    unit energy per image and a its moving average. D: softplus(D(G(z))) + softplus(-D(x)), and every
    `D_reg_interval` steps R1, gamma/2 |grad_x D(x)|^2. `pl_no_weight_grad` is accepted for the hosts' configs.
    """

    def __init__(
        self,
        device: torch.device | str,
        G: Any,
        D: Any,
        augment_pipe: Any = None,
        r1_gamma: float = 10,
        style_mixing_prob: float = 0,
        pl_weight: float = 0,
        pl_batch_shrink: int = 2,
        pl_decay: float = 0.01,
        pl_no_weight_grad: bool = False,
    ) -> None:
        self.device = torch.device(device)
        self.G = G
        self.D = D
        self.augment_pipe = augment_pipe
        self.r1_gamma = r1_gamma
        self.style_mixing_prob = style_mixing_prob
        self.pl_weight = pl_weight
        self.pl_batch_shrink = pl_batch_shrink
        self.pl_decay = pl_decay
        self.pl_no_weight_grad = pl_no_weight_grad
        self.pl_mean = torch.zeros([], device=self.device)

    def state_dict(self) -> dict[str, Tensor]:
        """What a continued run needs besides networks and optimizers."""
        return {"pl_mean": self.pl_mean.detach().cpu().clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore `state_dict`'s tensors."""
        self.pl_mean.copy_(state["pl_mean"])

    def run_G(self, z: Tensor, c: Tensor, update_emas: bool = False) -> tuple[Tensor, Tensor]:
        """z [N, z_dim], c [N, c_dim] -> images [N, C, H, W], ws [N, num_ws, w_dim], with style mixing."""
        ws = self.G.mapping(z, c, update_emas=update_emas)
        if self.style_mixing_prob > 0:
            ws = self._mix_styles(ws, z, c)
        return self.G.synthesis(ws, update_emas=update_emas), ws

    def _mix_styles(self, ws: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """With probability `style_mixing_prob` replace the ws from a random layer on by those of other latents."""
        num_ws = ws.shape[1]
        if num_ws < 2:
            return ws
        crossover = torch.randint(1, num_ws, [], device=ws.device)
        mixed = torch.rand([], device=ws.device) < self.style_mixing_prob
        crossover = torch.where(mixed, crossover, num_ws)
        other = self.G.mapping(torch.randn_like(z), c, update_emas=False)
        keep = torch.arange(num_ws, device=ws.device) < crossover
        return torch.where(keep[None, :, None], ws, other)

    def run_D(self, img: Tensor, c: Tensor, update_emas: bool = False) -> Tensor:
        """img [N, C, H, W] in [-1, 1], c [N, c_dim] -> logits [N, 1]."""
        if self.augment_pipe is not None:
            img = self.augment_pipe(img)
        return self.D(img, c, update_emas=update_emas)

    def accumulate_gradients(
        self, phase: str, real_img: Tensor, real_c: Tensor, gen_z: Tensor, gen_c: Tensor, gain: float, cur_nimg: int
    ) -> None:
        if phase not in PHASES:
            raise ValueError(f"phase={phase!r}: known are {', '.join(PHASES)}")
        if phase in ("Gmain", "Gboth"):
            self._g_main(gen_z, gen_c, gain)
        if phase in ("Greg", "Gboth") and self.pl_weight != 0:
            self._g_path_length(gen_z, gen_c, gain)
        if phase in ("Dmain", "Dboth"):
            self._d_main(real_img, real_c, gen_z, gen_c, gain)
        if phase in ("Dreg", "Dboth") and self.r1_gamma != 0:
            self._d_r1(real_img, real_c, gain)

    def _g_main(self, gen_z: Tensor, gen_c: Tensor, gain: float) -> None:
        img, _ws = self.run_G(gen_z, gen_c)
        logits = _report_scores("fake", self.run_D(img, gen_c))
        loss = F.softplus(-logits)  # -log(sigmoid(logits))
        training_stats.report("Loss/G/loss", loss)
        loss.mean().mul(gain).backward()

    def _g_path_length(self, gen_z: Tensor, gen_c: Tensor, gain: float) -> None:
        n = max(gen_z.shape[0] // self.pl_batch_shrink, 1)
        img, ws = self.run_G(gen_z[:n], gen_c[:n])
        noise = torch.randn_like(img) / math.sqrt(img.shape[2] * img.shape[3])
        (gradient,) = torch.autograd.grad((img * noise).sum(), ws, create_graph=True)
        lengths = gradient.square().sum(dim=2).mean(dim=1).sqrt()  # [n]
        mean = self.pl_mean.lerp(lengths.mean().to(self.pl_mean.dtype), self.pl_decay)
        # One overflow in half precision would otherwise stay in the average for good.
        self.pl_mean.copy_(torch.where(mean.isfinite(), mean, self.pl_mean).detach())
        penalty = (lengths - mean).square()
        training_stats.report("Loss/pl_penalty", penalty)
        loss = training_stats.report("Loss/G/reg", penalty * self.pl_weight)
        loss.mean().mul(gain).backward()

    def _d_main(self, real_img: Tensor, real_c: Tensor, gen_z: Tensor, gen_c: Tensor, gain: float) -> None:
        with torch.no_grad():
            gen_img, _ws = self.run_G(gen_z, gen_c, update_emas=True)
        gen_logits = _report_scores("fake", self.run_D(gen_img, gen_c, update_emas=True))
        gen_loss = F.softplus(gen_logits)  # -log(1 - sigmoid(logits))
        gen_loss.mean().mul(gain).backward()
        real_logits = _report_scores("real", self.run_D(real_img.detach(), real_c))
        real_loss = F.softplus(-real_logits)
        training_stats.report("Loss/D/loss", gen_loss.detach() + real_loss)
        real_loss.mean().mul(gain).backward()

    def _d_r1(self, real_img: Tensor, real_c: Tensor, gain: float) -> None:
        img = real_img.detach().requires_grad_(True)
        logits = _report_scores("real", self.run_D(img, real_c))
        (gradient,) = torch.autograd.grad(logits.sum(), img, create_graph=True)
        penalty = gradient.square().sum(dim=[1, 2, 3])  # [N]
        training_stats.report("Loss/r1_penalty", penalty)
        loss = training_stats.report("Loss/D/reg", penalty * (self.r1_gamma / 2))
        loss.mean().mul(gain).backward()


def _report_scores(kind: str, logits: Tensor) -> Tensor:
    training_stats.report(f"Loss/scores/{kind}", logits)
    training_stats.report(f"Loss/signs/{kind}", logits.sign())
    return logits
