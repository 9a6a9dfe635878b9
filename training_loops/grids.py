"""Image grids for visual inspection of a run: reals.png, fakes_init.png, fakes000008.png."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from training_loops.batches import labels_of
from training_loops.formats.atomic import write_bytes
from training_loops.state import preserved_random_state


def grid_shape(resolution: int) -> tuple[int, int]:
    """Return the hosts' (columns, rows): images that fill 7680 x 4320 pixels, at least 7 x 4, at most 32 x 32."""
    return min(max(7680 // resolution, 7), 32), min(max(4320 // resolution, 4), 32)


def choose_images(dataset: Any, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Return dataset indices [rows * columns]: a random subset, or one label per row where images share labels."""
    columns, rows = shape
    rng = np.random.default_rng(seed)
    groups = _groups(dataset)
    if len(groups) == 1:
        order = rng.permutation(groups[0])
        return order[np.arange(rows * columns) % len(order)]
    groups = [rng.permutation(group) for group in groups]
    picked = []
    for row in range(rows):
        group = groups[row % len(groups)]
        first = row // len(groups) * columns
        picked.append(group[(first + np.arange(columns)) % len(group)])
    return np.concatenate(picked)


def _groups(dataset: Any) -> list[np.ndarray]:
    """Return groups of indices with the same label; one group of all if few images share labels, as with cameras."""
    size = len(dataset)
    classes = dataset.get_classes() if hasattr(dataset, "get_classes") else None
    if classes is not None:  # a million one-hot labels of a thousand classes are 4 GB
        values, group_of = np.unique(classes, return_inverse=True)
    elif dataset.label_dim > 0:
        labels = labels_of(dataset, np.arange(size))[:, ::-1]  # reversed, so that one-hot labels sort by class
        values, group_of = np.unique(labels, axis=0, return_inverse=True)
    else:
        return [np.arange(size)]
    if 2 * len(values) > size:
        return [np.arange(size)]
    group_of = group_of.ravel()
    order = np.argsort(group_of, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group_of))[:-1])


def save_grid(images: np.ndarray | Tensor, path: str | os.PathLike[str], shape: tuple[int, int]) -> None:
    """Write images [rows * columns, C, H, W], uint8 or float in [-1, 1], as one PNG, atomically."""
    data = torch.as_tensor(images)
    if data.dtype != torch.uint8:
        # [-1, 1] -> [0, 255], rounded to nearest
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
    """Renders a fixed set of latents repeatedly."""

    def __init__(self, labels: Tensor, z_dim: int, shape: tuple[int, int], batch: int, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        self.z = torch.randn([len(labels), z_dim], generator=generator).to(device)
        self.c = labels.to(device)
        self.shape = shape
        self.batch = batch

    @torch.no_grad()
    def save(self, G_ema: Any, path: str | os.PathLike[str]) -> None:
        """Render with constant noise and ray jitter, and write the PNG.

        For a 3D-aware generator, also writes the image before super-resolution to ``<name>_raw.png`` and the depth to
        ``<name>_depth.png`` (white is near, the same scale for all).
        """
        with preserved_random_state():
            torch.manual_seed(0)
            pairs = zip(self.z.split(self.batch), self.c.split(self.batch), strict=True)
            constant = {"noise_mode": "const"} if hasattr(G_ema, "synthesis") else {}  # others have no noise inputs
            parts = [_named(G_ema(z, c, **constant)) for z, c in pairs]
        grids = {name: torch.cat([part[name].cpu() for part in parts]) for name in parts[0]}
        for name, images in grids.items():
            target = Path(path)
            if name != "image":
                target = target.with_stem(f"{target.stem}_{name.removeprefix('image_')}")
            save_grid(_nearness(images) if name == "image_depth" else images, target, self.shape)


def _named(images: Tensor | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return {"image": images} if isinstance(images, Tensor) else images


def _nearness(depth: Tensor) -> Tensor:
    """Map depths to [-1, 1]: -1 is the farthest of all, 1 the nearest."""
    near, far = depth.min(), depth.max()
    return 1 - 2 * (depth - near) / (far - near).clamp_min(1e-8)
