"""Tiny generators and losses whose right answers are known by construction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class ToyMapping(nn.Module):
    """z -> ws by identity, or by a random linear map; `w_avg` perturbations only when a host's flag asks for it."""

    def __init__(self, dim: int, num_ws: int = 2, *, identity: bool = True) -> None:
        super().__init__()
        self.z_dim = self.w_dim = dim
        self.num_ws = num_ws
        self.weight = nn.Parameter(torch.eye(dim) if identity else torch.randn(dim, dim) / dim**0.5)
        self.register_buffer("w_avg", torch.zeros(dim))

    def forward(self, z: Tensor, c: Tensor | None, truncation_psi: float = 1, update_emas: bool = False) -> Tensor:
        w = z @ self.weight.T
        if update_emas:
            self.w_avg.copy_(w.detach().mean(0))
        if truncation_psi != 1:
            w = self.w_avg.lerp(w, truncation_psi)
        return w.unsqueeze(1).expand(-1, self.num_ws, -1)


class PixelSynthesis(nn.Module):
    """Every pixel is a fixed linear function of the axes: image[p] = sum_d weight[p, d] * ws[0, d] (+ noise)."""

    def __init__(self, weight: Tensor, size: int, noise: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)  # [size * size, D]
        self.img_resolution = self.size = size
        self.noise = noise

    def forward(self, ws: Tensor, noise_mode: str = "random") -> Tensor:
        image = (ws[:, 0] @ self.weight.T).view(-1, 1, self.size, self.size)
        if self.noise and noise_mode == "random":
            image = image + self.noise * torch.randn_like(image)
        return image


class ToyGenerator(nn.Module):
    """A generator with the hosts' attributes over `PixelSynthesis`."""

    def __init__(self, weight: Tensor, size: int, noise: float = 0.0, **mapping: Any) -> None:
        super().__init__()
        dim = weight.shape[1]
        self.z_dim = self.w_dim = dim
        self.c_dim, self.num_ws, self.img_resolution, self.img_channels = 0, 2, size, 1
        self.mapping = ToyMapping(dim, **mapping)
        self.synthesis = PixelSynthesis(weight, size, noise)

    def forward(self, z: Tensor, c: Tensor | None = None, **kwargs: Any) -> Tensor:
        return self.synthesis(self.mapping(z, c), **kwargs)


def linked_weight(blocks: Sequence[Sequence[int]], size: int, dim: int) -> Tensor:
    """Weights of a generator that is perfectly linked: column strip b of the image depends on block b alone."""
    weight = torch.zeros(size, size, dim)
    width = size // len(blocks)
    for number, axes in enumerate(blocks):
        strip = slice(number * width, (number + 1) * width)
        weight[:, strip, list(axes)] = torch.linspace(0.5, 1.5, size * width * len(axes)).view(size, width, -1)
    return weight.view(size * size, dim)
