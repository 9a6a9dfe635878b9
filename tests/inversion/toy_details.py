"""A generator whose missing detail is known: images are a linear map of features, which latents reach only in part."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from linkgan_plugin.inversion.encoder import Encoder, shape_for, weights_digest
from linkgan_plugin.inversion.encoder_network import EncoderNetwork
from tests.toys import ToyGenerator

SIZE, DIM, CHANNELS = 8, 4, 4


class _Features(nn.Module):
    """ws -> [N, 4, 8, 8], a linear function of the first row."""

    def __init__(self, linked: bool) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        waves = torch.randn([CHANNELS, SIZE, SIZE, DIM], generator=random) / 8
        if linked:  # axes 0:2 own the left half
            waves[:, :, : SIZE // 2, DIM // 2 :] = waves[:, :, SIZE // 2 :, : DIM // 2] = 0
        self.waves = nn.Parameter(waves)

    def forward(self, ws: Tensor) -> Tensor:
        return torch.einsum("nd,chwd->nchw", ws[:, 0], self.waves)


class _Synthesis(nn.Module):
    def __init__(self, linked: bool) -> None:
        super().__init__()
        self.img_resolution = SIZE
        self.features = _Features(linked)
        self.out = nn.Conv2d(CHANNELS, 1, 1, bias=False)
        self.out.weight.data = torch.tensor([0.5, -0.4, 0.3, 0.2]).view(1, CHANNELS, 1, 1)

    def forward(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        return self.out(self.features(ws))


class DetailedGenerator(ToyGenerator):
    """An image is a linear map of 4 features a pixel: any image is one of them, but of few are there latents."""

    def __init__(self, linked: bool = False) -> None:
        super().__init__(torch.zeros([SIZE * SIZE, DIM]), SIZE)
        self.synthesis = _Synthesis(linked)
        self.requires_grad_(False)


def blind_encoder(generator: nn.Module) -> Encoder:
    """An encoder that finds the mean latent for every image."""
    return Encoder(
        EncoderNetwork(shape_for(generator, width=4, passes=1)).requires_grad_(False), weights_digest(generator)
    )


class Photographs:
    """Photographs of the toy: images of random latents, with a spot that no latent makes."""

    path, resolution, num_channels, label_dim = "spots", SIZE, 1, 0

    def __init__(self, generator: nn.Module, count: int = 256, seed: int = 5) -> None:
        random = torch.Generator().manual_seed(seed)
        images: Any = generator(torch.randn([count, DIM], generator=random))
        rows, columns = torch.randint(SIZE, [2, count], generator=random)
        images[torch.arange(count), 0, rows, columns] += 0.8
        self._pixels = (images.clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8).numpy()

    def __len__(self) -> int:
        return len(self._pixels)

    def batch(self, indices: Any) -> tuple[np.ndarray, np.ndarray]:
        return self._pixels[list(indices)], np.zeros([len(list(indices)), 0], np.float32)
