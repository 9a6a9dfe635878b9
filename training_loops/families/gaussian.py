"""A Gaussian fitted to learned latents while they are trained: maps z of N(0, I) to where the latents are."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FittedGaussian(nn.Module):
    """z [N, D] of N(0, I) -> latents m + L z [N, D] of N(m, S), S = L L^T (Bojanowski et al. 2018, section 3.3).

    m and S are those of the latents of the last 1 / (1 - beta) batches. The buffers are moving averages like w_avg.

    Args:
        dim: D.
        beta: share of the averages that a batch keeps, 0 to 1.
    """

    mean_avg: Tensor
    square_avg: Tensor
    weight_avg: Tensor

    def __init__(self, dim: int, beta: float = 0.998) -> None:
        super().__init__()
        self.beta = beta
        self.register_buffer("mean_avg", torch.zeros([dim]))
        self.register_buffer("square_avg", torch.zeros([dim, dim]))
        self.register_buffer("weight_avg", torch.zeros([]))  # 1 - beta^t, as in Adam's correction of its averages

    @torch.no_grad()
    def observe(self, latents: Tensor) -> None:
        """Add a batch of latents [N, D] to the averages."""
        # m <- beta m + (1 - beta) mean_N x, and likewise for x x^T and for 1
        rate = 1 - self.beta
        self.mean_avg.lerp_(latents.mean(dim=0), rate)
        self.square_avg.lerp_(latents.t() @ latents / len(latents), rate)
        self.weight_avg.lerp_(torch.ones_like(self.weight_avg), rate)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return m [D] and S [D, D]; 0 and I before the first batch."""
        # S = E x x^T - m m^T, with a small share of I, so that it has a factor L
        weight = self.weight_avg.clamp_min(1e-8)
        mean = self.mean_avg / weight
        identity = torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
        covariance = self.square_avg / weight - torch.outer(mean, mean)
        seen = (self.weight_avg > 0).to(mean.dtype)
        return mean, covariance * seen + identity * (1 - seen + 1e-4)

    def forward(self, z: Tensor) -> Tensor:
        mean, covariance = self.statistics()
        return mean + z @ torch.linalg.cholesky(covariance).t()
