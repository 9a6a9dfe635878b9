"""Trains the face reader on fresh renders, roughened so that it reads generated faces as well as rendered ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, mse_loss, pad
from tqdm import tqdm

from linkgan_plugin.metrics.face_reader import SIZE, FaceReader
from training_loops.data.faces import EYES_BOX, MOUTH_BOX, part_axes, render, sample_attributes

_RENDERS = 24_000
_EPOCHS = 8
_BATCH = 128
_RATE = 4e-3


def train(seed: int = 0) -> FaceReader:
    """Return a reader trained on `_RENDERS` faces; on one thread the same seed gives the same weights."""
    torch.manual_seed(seed)
    truth = sample_attributes(_RENDERS, seed + 1)
    images = render(truth, SIZE)[0]
    reader = FaceReader()
    optimizer = torch.optim.AdamW(reader.parameters(), lr=_RATE, weight_decay=1e-3)
    steps = _EPOCHS * (_RENDERS // _BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / steps))
    with tqdm(total=steps, desc="Training the face reader") as bar:
        for _ in range(_EPOCHS):
            for chosen in torch.randperm(_RENDERS).split(_BATCH)[: _RENDERS // _BATCH]:
                batch, target = roughen(*splice(images[chosen], truth[chosen]))
                loss = mse_loss(reader(batch)[1], target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update()
            bar.set_postfix(loss=f"{loss.item():.4f}")
    return reader.eval()


def _rate(progress: float) -> float:
    """Return the share of the top learning rate: a short climb, then a cosine to 0."""
    return min(1.0, progress / 0.05) * 0.5 * (1 + math.cos(math.pi * progress))


def splice(images: Tensor, truth: Tensor, share: float = 0.2) -> tuple[Tensor, Tensor]:
    """Give some faces the eyes or the mouth of another one, box and attributes alike.

    The reader must then take the eyes' attributes from the eyes, whatever skin or position surrounds them.
    """
    images, truth = images.clone(), truth.clone()
    for part, box in (("eyes", EYES_BOX), ("mouth", MOUTH_BOX)):
        x0, y0, x1, y1 = (round(edge * SIZE) for edge in box)
        donor = torch.randperm(len(images))
        chosen = (torch.rand(len(images)) < share).nonzero()[:, 0]
        axes = torch.tensor(part_axes(part))
        images[chosen, :, y0:y1, x0:x1] = images[donor[chosen], :, y0:y1, x0:x1]
        truth[chosen[:, None], axes] = truth[donor[chosen][:, None], axes]
    return images, truth


def roughen(images: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Blur or sharpen, shift brightness and contrast, and add noise, a little and each image by its own amount."""
    count = len(images)

    def amount(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(count, channels, 1, 1)

    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line).expand(3, 1, 3, 3)
    blurred = conv2d(pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    images = torch.lerp(images, blurred, amount(-0.2, 0.7))
    images = images * amount(0.95, 1.05) + amount(-0.04, 0.04, channels=3)
    images = images + amount(0, 0.12) * torch.randn_like(images)
    return images.clamp(-1, 1), truth
