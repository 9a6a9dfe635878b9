"""Generators whose directions are known by construction, and how far found ones are from them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from tests.toys import ToyGenerator

SIZE, DIM = 8, 12


def turned(dim: int = DIM, seed: int = 0) -> Tensor:
    """A random rotation, float32 [dim, dim]."""
    random = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn([dim, dim], generator=random, dtype=torch.float64))[0].float()


def strips(mix: Tensor, blocks: tuple[range, ...] = (range(4), range(4, 7))) -> ToyGenerator:
    """A linear generator: the axes of each block of w @ mix own one strip of the image; other axes change nothing."""
    random = torch.Generator().manual_seed(9)
    weight = torch.zeros(SIZE, SIZE, len(mix))
    width = SIZE // len(blocks)
    for number, axes in enumerate(blocks):
        strip = slice(number * width, (number + 1) * width)
        weight[:, strip, list(axes)] = torch.randn([SIZE, width, len(axes)], generator=random)
    return ToyGenerator(weight.view(SIZE * SIZE, len(mix)) @ mix.T, SIZE)


class StyledSynthesis(nn.Module):
    """Three layers with style affines: image = sum over layers of maps[l] @ affine_l(w_l)."""

    def __init__(self, dim: int, channels: int, size: int, seed: int = 3) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.layers = nn.ModuleList(Layer(dim, channels, size, random) for _ in range(3))
        self.img_resolution = size

    def forward(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        return sum(layer(ws[:, number]) for number, layer in enumerate(self.layers))


class Layer(nn.Module):
    def __init__(self, dim: int, channels: int, size: int, random: torch.Generator) -> None:
        super().__init__()
        self.affine = nn.Linear(dim, channels)
        self.affine.weight.data = torch.randn([channels, dim], generator=random)
        self.register_buffer("map", torch.randn([channels, size, size], generator=random) / channels)

    def forward(self, w: Tensor) -> Tensor:
        return torch.einsum("nc,chw->nhw", self.affine(w), self.map).unsqueeze(1)


class StyledGenerator(ToyGenerator):
    """A generator with a style space."""

    def __init__(self, dim: int = DIM, channels: int = 5, size: int = SIZE) -> None:
        super().__init__(torch.zeros(size * size, dim), size)
        self.num_ws = self.mapping.num_ws = 3
        self.synthesis = StyledSynthesis(dim, channels, size)


def opened(generator: nn.Module, space: str = "w") -> LinkedGenerator:
    """Return a generator without links."""
    return LinkedGenerator(generator, LinkSpec((), getattr(generator, f"{space}_dim"), space))


def angle(found: Tensor, wanted: Tensor) -> float:
    """Return the angle in degrees between two lines in [D] or [1, D]."""
    a, b = (part.flatten().double() for part in (found, wanted))
    return float(np.degrees(np.arccos(min(1.0, abs(float(a @ b)) / float(a.norm() * b.norm())))))
