"""Image grids a person looks at while training: reals.png, fakes_init.png, fakes000008.png."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from training_loops.atomic import write_bytes
from training_loops.batches import labels_of


def grid_shape(resolution: int) -> tuple[int, int]:
    """The hosts' (columns, rows): as many images as fill 7680 x 4320 pixels, at least 7 x 4, at most 32 x 32."""
    return min(max(7680 // resolution, 7), 32), min(max(4320 // resolution, 4), 32)


def choose_images(dataset: Any, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Dataset indices [rows * columns]: a random subset, or one label per row where there are labels."""
    columns, rows = shape
    rng = np.random.default_rng(seed)
    size = len(dataset)
    if dataset.label_dim == 0:
        order = rng.permutation(size)
        return order[np.arange(rows * columns) % size]
    labels = labels_of(dataset, np.arange(size))[:, ::-1]  # one-hot labels now sort by class
    _values, group_of = np.unique(labels, axis=0, return_inverse=True)
    groups = [rng.permutation(np.flatnonzero(group_of.ravel() == g)) for g in range(group_of.max() + 1)]
    picked = []
    for row in range(rows):
        group = groups[row % len(groups)]
        first = row // len(groups) * columns
        picked.append(group[(first + np.arange(columns)) % len(group)])
    return np.concatenate(picked)


def save_grid(images: np.ndarray | Tensor, path: str | os.PathLike[str], shape: tuple[int, int]) -> None:
    """Write images [rows * columns, C, H, W], uint8 or float in [-1, 1], as one PNG, atomically."""
    data = torch.as_tensor(images)
    if data.dtype != torch.uint8:
        data = (data.float() * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
    columns, rows = shape
    _n, channels, height, width = data.shape
    tiles = data.cpu().reshape(rows, columns, channels, height, width).permute(0, 3, 1, 4, 2)
    pixels = tiles.reshape(rows * height, columns * width, channels).numpy()
    image = PIL.Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels[:, :, :3])
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


class FakesGrid:
    """Draws one fixed set of latents again and again."""

    def __init__(self, labels: Tensor, z_dim: int, shape: tuple[int, int], batch: int, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        self.z = torch.randn([len(labels), z_dim], generator=generator).to(device)
        self.c = labels.to(device)
        self.shape = shape
        self.batch = batch

    @torch.no_grad()
    def save(self, G_ema: Any, path: str | os.PathLike[str]) -> None:
        """Render with constant noise and write the PNG."""
        pairs = zip(self.z.split(self.batch), self.c.split(self.batch), strict=True)
        images = torch.cat([G_ema(z, c, noise_mode="const").cpu() for z, c in pairs])
        save_grid(images, path, self.shape)
