"""The StyleGAN2 loss: non-saturating logistic loss, R1 on real images, path length penalty on generated images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from training_loops import training_stats
from training_loops.loss import LogisticLoss


@dataclass(eq=False, repr=False)
class StyleGAN2Loss(LogisticLoss):
    """Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN".

    Adds the path length penalty, every `G_reg_interval` steps, to the logistic loss and R1.

    Args:
        pl_weight: weight of the penalty, from 0.
        pl_batch_shrink: the penalty uses 1 / pl_batch_shrink of the batch, from 1.
        pl_decay: weight of the newest lengths in their moving average, 0 to 1.
        pl_no_weight_grad: accepted for the hosts' configs.
    """

    pl_weight: float = 0
    pl_batch_shrink: int = 2
    pl_decay: float = 0.01
    pl_no_weight_grad: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pl_mean = torch.zeros([], device=self.device)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state that a resumed run needs in addition to networks and optimizers: pl_mean, a scalar."""
        return {"pl_mean": self.pl_mean.detach().cpu().clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the state of `state_dict`: pl_mean, a scalar."""
        self.pl_mean.copy_(state["pl_mean"])

    def run_G(self, z: Tensor, c: Tensor, update_emas: bool = False) -> tuple[Tensor, Tensor]:
        """z [N, z_dim], c [N, c_dim] -> images [N, C, H, W], ws [N, num_ws, w_dim], with style mixing."""
        ws = self.mapped(z, c, update_emas)
        return self.G.synthesis(ws, update_emas=update_emas), ws

    def run_D(self, img: Tensor, c: Tensor, update_emas: bool = False) -> Tensor:
        """img [N, C, H, W] in [-1, 1], c [N, c_dim] -> logits [N, 1]."""
        if self.augment_pipe is not None:
            img = self.augment_pipe(img)
        return self.D(img, c, update_emas=update_emas)

    def images_of(self, real_img: Tensor) -> Tensor:
        return real_img.detach()

    def regularize_G(self, gen_z: Tensor, gen_c: Tensor, gain: float) -> None:
        """Add the gradients of the path length penalty, for gen_z [N, z_dim] and gen_c [N, c_dim]."""
        if self.pl_weight == 0:
            return
        # E_{w,y} (||J_w^T y||_2 - a)^2 (Eq. 4): J_w^T y is the gradient of <G(w), y>, y normal noise of unit energy per
        # image, a the moving average of the lengths. With one w per layer, a length is the RMS over layers.
        n = max(gen_z.shape[0] // self.pl_batch_shrink, 1)
        img, ws = self.run_G(gen_z[:n], gen_c[:n])
        noise = torch.randn_like(img) / math.sqrt(img.shape[2] * img.shape[3])
        (gradient,) = torch.autograd.grad((img * noise).sum(), ws, create_graph=True)
        lengths = gradient.square().sum(dim=2).mean(dim=1).sqrt()  # [n]
        mean = self.pl_mean.lerp(lengths.mean().to(self.pl_mean.dtype), self.pl_decay)
        # An overflow in half precision would otherwise stay in the average permanently.
        self.pl_mean.copy_(torch.where(mean.isfinite(), mean, self.pl_mean).detach())
        penalty = (lengths - mean).square()
        training_stats.report("Loss/pl_penalty", penalty)
        loss = training_stats.report("Loss/G/reg", penalty * self.pl_weight)
        loss.mean().mul(gain).backward()
