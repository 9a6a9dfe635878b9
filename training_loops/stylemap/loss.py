"""The StyleMapGAN loss: StyleGAN2's, and the reconstructions that train the encoder together with the generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops import training_stats
from training_loops.stylegan2.loss import StyleGAN2Loss
from training_loops.stylemap.layers import doubled, halved

_COARSEST = 4  # side of the last level of the pyramid


@dataclass(eq=False, repr=False)
class StyleMapLoss(StyleGAN2Loss):
    """Kim et al. 2021, section 3.2, with encoder E, mapping F, synthesis G and discriminator D.

    Adds to the logistic loss and R1:
    latent reconstruction |E(G(w)) - w|^2 for w = F(z), which trains E;
    image reconstruction Lap1(G(E(x)), x), which trains E and G;
    the domain-guided loss (Zhu et al. 2020): D sees G(E(x)) as one more generated image, which trains E, G and D.

    The paper's perceptual distance of a trained network is Lap1 here, which needs none.

    Args:
        latent_weight: weight of the latent reconstruction, from 0.
        image_weight: weight of the image reconstruction, from 0.
        domain_weight: weight of the domain-guided loss, from 0.
    """

    latent_weight: float = 1
    image_weight: float = 1
    domain_weight: float = 1

    def accumulate_gradients(
        self, phase: str, real_img: Tensor, real_c: Tensor, gen_z: Tensor, gen_c: Tensor, gain: float, cur_nimg: int
    ) -> None:
        super().accumulate_gradients(phase, real_img, real_c, gen_z, gen_c, gain, cur_nimg)
        if phase in ("Gmain", "Gboth"):
            if self.latent_weight:
                self._latent_reconstruction(gen_z, gen_c, gain)
            if self.image_weight or self.domain_weight:
                self._image_reconstruction(real_img, real_c, gain)
        if phase in ("Dmain", "Dboth") and self.domain_weight:
            self._reject_reconstructions(real_img, real_c, gain)

    def _latent_reconstruction(self, gen_z: Tensor, gen_c: Tensor, gain: float) -> None:
        # E_z |E(G(w)) - w|^2 / dim w, w = F(z). Only E gets gradients: F could lower it by a w that varies less.
        with torch.no_grad():
            img, ws = self.run_G(gen_z, gen_c)
        loss = training_stats.report("Loss/E/latent", (self.G.encoder(img) - ws).square().mean(dim=[1, 2]))
        loss.mean().mul(self.latent_weight * gain).backward()

    def _image_reconstruction(self, real_img: Tensor, real_c: Tensor, gain: float) -> None:
        # E_x [Lap1(G(E(x)), x) + softplus(-D(G(E(x))))]
        img = self._reconstructed(real_img)
        loss = training_stats.report("Loss/E/image", laplacian_distance(img, real_img)) * self.image_weight
        if self.domain_weight:
            judged = F.softplus(-self.run_D(img, real_c)).squeeze(1)
            loss = loss + training_stats.report("Loss/E/domain", judged) * self.domain_weight
        loss.mean().mul(gain).backward()

    def _reject_reconstructions(self, real_img: Tensor, real_c: Tensor, gain: float) -> None:
        # E_x softplus(D(G(E(x)))), added to D's loss
        with torch.no_grad():
            img = self._reconstructed(real_img)
        loss = training_stats.report("Loss/D/domain", F.softplus(self.run_D(img, real_c)))
        loss.mean().mul(self.domain_weight * gain).backward()

    def _reconstructed(self, images: Tensor) -> Tensor:
        return self.G.synthesis(self.G.encoder(images.detach()))


def laplacian_distance(images: Tensor, others: Tensor) -> Tensor:
    """Return Lap1 of images [N, C, H, W] and others of the same shape, per image [N].

    Lap1(x, y) = sum_j 4^j |L_j(x) - L_j(y)|_1 / (C H W), L_j level j of a Laplacian pyramid, finest first (Bojanowski
    et al. 2018, "Optimizing the Latent Space of Generative Networks"): each level's mean absolute difference.
    """
    # L_j = d_j - up(d_j+1), d_j+1 = down(d_j), d_0 = x; the pyramid is linear, so one of x - y is enough
    level = images - others
    total = torch.zeros(len(level), dtype=level.dtype, device=level.device)
    while level.shape[-1] > _COARSEST:
        small = halved(level)
        total = total + (level - doubled(small)).abs().mean(dim=[1, 2, 3])
        level = small
    return total + level.abs().mean(dim=[1, 2, 3])
