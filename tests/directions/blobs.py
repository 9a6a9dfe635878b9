"""Generators whose attributes and positions are known functions of their latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.toys import ToyGenerator

from .planted import DIM, turned

SIDE = 16


class BlobSynthesis(nn.Module):
    """A round blob: w @ mix[:, 0] moves it right, [:, 1] down, [:, 2] adds light; other axes change nothing."""

    def __init__(self, mix: Tensor, bend: float = 0.0) -> None:
        super().__init__()
        self.mix = nn.Parameter(mix)
        self.bend, self.img_resolution = bend, SIDE

    def forward(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        x, y, light = (ws[:, 0] @ self.mix)[:, :3].T[:, :, None, None]
        places = (torch.arange(SIDE) + 0.5) / SIDE
        across, down = places[None, None, :] - 0.5 - position(x, self.bend), places[None, :, None] - 0.5 - 0.06 * y
        blob = torch.exp(-(across.square() + down.square()) / 0.03)
        return (blob + 0.2 * light - 0.5).unsqueeze(1)


def position(x: Tensor, bend: float = 0.0) -> Tensor:
    """Where the blob is, in widths of the image right of its centre; its speed falls with x for positive `bend`."""
    return 0.06 * (x if bend == 0 else (bend * x).sinh() / bend)


class BlobGenerator(ToyGenerator):
    """A mapping of identity over `BlobSynthesis`."""

    def __init__(self, bend: float = 0.0) -> None:
        super().__init__(torch.zeros(SIDE * SIDE, DIM), SIDE)
        self.synthesis = BlobSynthesis(turned(), bend)


class PixelReader:
    """Attributes of a linear 8 x 8 generator: 0.5 + 0.15 (sum of the pixels times weights), affine in w."""

    def __init__(self, weights: Tensor, names: tuple[str, ...] = ("smile", "age")) -> None:
        self.names, self._weights = names, weights

    def __call__(self, images: Tensor) -> Tensor:
        return 0.5 + 0.15 * images.flatten(1) @ self._weights.T


def attributed(seed: int = 0) -> tuple[ToyGenerator, PixelReader, Tensor]:
    """A linear generator, a reader of two attributes, and the gradients of these by w, [2, D], 60 degrees apart."""
    random = torch.Generator().manual_seed(seed)
    generator = ToyGenerator(torch.randn([64, DIM], generator=random) / 8, 8)
    first, second = turned(seed=3)[:2]
    gradients = torch.stack([first, 0.5 * first + 0.75**0.5 * second])
    weights = gradients @ torch.linalg.pinv(generator.synthesis.weight.detach())  # weights @ image = gradients @ w
    return generator, PixelReader(weights), 0.15 * gradients
