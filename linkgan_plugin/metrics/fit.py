"""Fit: how well a small network, trained for this, can distinguish edited from unedited images."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import LinkGANError
from .estimate import Estimate

# Larger images are shrunk to this side.
SIDE = 64
_TRAINED = 2 / 3  # share of the images for training; the rest are held out
_STEPS, _BATCH, _RATE, _DECAY = 400, 64, 2e-3, 1e-2
_WIDTH = 32
_FEWEST = 12


def fit(unedited: Tensor, edited: Tensor, *, seed: int = 0, steps: int = _STEPS) -> Estimate:
    """Return the accuracy on held-out images of a network that is trained to distinguish edited from unedited ones.

    0.5 is perfect: edits cannot be distinguished from other generated images. 1 means that every edit is visible. The
    two sets must have different seeds: an image and its own edit are not independent.

    Args:
        unedited: [N, C, H, W] in [-1, 1], at least 12.
        edited: [M, C, H, W]; the larger set is cut to the size of the smaller.
        seed: seed of the split, the network and its batches.
        steps: training steps.
    Returns:
        Accuracy in [0, 1]; its standard error is sqrt(p (1 - p) / n) for n held-out images, where a pseudo-count keeps
        p between 0 and 1. It does not include the variation between training runs.
    Raises:
        LinkGANError: other shapes, too few images, or numbers that are not finite.
    """
    count = min(len(unedited), len(edited))
    if unedited.ndim != 4 or unedited.shape[1:] != edited.shape[1:]:
        raise LinkGANError(f"images have shapes {list(unedited.shape)} and {list(edited.shape)}, expected the same")
    if count < _FEWEST:
        raise LinkGANError(f"{count} images of each kind, expected at least {_FEWEST}")
    images = small(torch.cat([unedited[:count], edited[:count]])).cpu()
    if not torch.isfinite(images).all():
        raise LinkGANError("images are not finite: the network is broken")
    targets = torch.arange(2 * count).ge(count).float()
    random = torch.Generator().manual_seed(seed)
    rows = torch.randperm(count, generator=random)
    learned, held = rows.tensor_split([round(_TRAINED * count)])
    network = _trained(images, targets, torch.cat([learned, learned + count]), seed, steps)
    return _accuracy(network, images, targets, torch.cat([held, held + count]))


def small(images: Tensor) -> Tensor:
    """Return images [N, C, H, W] with sides of at most 64 pixels, area-resized."""
    if max(images.shape[2:]) <= SIDE:
        return images.float()
    scale = SIDE / max(images.shape[2:])
    size = (max(1, round(images.shape[2] * scale)), max(1, round(images.shape[3] * scale)))
    return F.interpolate(images.float(), size=size, mode="area")


def _network(channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs, stride in ((channels, _WIDTH, 1), (_WIDTH, 2 * _WIDTH, 2), (2 * _WIDTH, 2 * _WIDTH, 2)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(8, outputs), nn.SiLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(2 * _WIDTH * 16, 1))


def _trained(images: Tensor, targets: Tensor, rows: Tensor, seed: int, steps: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = _network(images.shape[1])
        optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = _RATE * (1 + math.cos(math.pi * step / steps)) / 2
            batch = rows[torch.randint(len(rows), (_BATCH,))]
            loss = F.binary_cross_entropy_with_logits(network(images[batch])[:, 0], targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


@torch.no_grad()
def _accuracy(network: nn.Sequential, images: Tensor, targets: Tensor, rows: Tensor) -> Estimate:
    right = sum(int(((network(images[part])[:, 0] > 0).float() == targets[part]).sum()) for part in rows.split(_BATCH))
    n = len(rows)
    kept = (right + 1) / (n + 2)  # Laplace's rule: an accuracy of 1 has an error too
    return Estimate(right / n, math.sqrt(kept * (1 - kept) / n), n)
