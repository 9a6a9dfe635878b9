"""What an encoder is worth: errors of photographs pass by pass, and how far links hold in what it finds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..links import LinkSpec
from ..perturb import replace_axes
from .encoder import Encoder
from .encoder_losses import LatentStatistics, LinkTerm
from .rendering import Renderer

_AT_ONCE = 16
_SAMPLES = 5000


def drawn_latents(generator: nn.Module, labels: Tensor, seed: int = 0) -> Tensor:
    """Return latents of fixed seeds, [N, num_ws, w_dim], one for each label [N, c_dim]."""
    z_dim = int(getattr(generator, "z_dim"))  # noqa: B009 (nn.Module types every attribute as a tensor)
    z = torch.from_numpy(np.random.RandomState(seed).randn(len(labels), z_dim)).to(labels)
    parts = zip(z.split(1000), labels.split(1000), strict=True)
    with torch.no_grad():
        return torch.cat([Renderer(generator).calls.map(*part) for part in parts])


@torch.no_grad()
def measure_images(generator: nn.Module, encoder: Encoder, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the mean absolute errors of the images after each pass, and how likely the latents are.

    Args:
        generator: the encoder's network.
        encoder: checked.
        images: [N, C, R, R] in [-1, 1], preferably not from its training.
        labels: [N, c_dim].
    Returns:
        `mae_mean` of the mean latent's image, `mae_pass_1`, ..., and `mahalanobis` of the last pass's latents, 1 for
        drawn ones (see `LatentStatistics`).
    """
    renderer, sums = Renderer(generator), [0.0] * (encoder.passes + 1)
    device = encoder.network.mean.device
    drawn = drawn_latents(generator, labels[torch.arange(_SAMPLES) % len(labels)].to(device))
    statistics, far = LatentStatistics(drawn[:, 0]), []
    for some, label in zip(images.to(device).split(_AT_ONCE), labels.to(device).split(_AT_ONCE), strict=True):
        latents = encoder.start(len(some))
        for done in range(encoder.passes + 1):
            latents = encoder.refine(renderer, some, label, latents) if done else latents
            error = (renderer.images(latents, label).clamp(-1, 1) - some).abs().flatten(1).mean(dim=1)
            sums[done] += float(error.sum())
        far.append(statistics.mahalanobis(latents))
    names = ["mae_mean", *(f"mae_pass_{done}" for done in range(1, encoder.passes + 1))]
    found = {name: total / len(images) for name, total in zip(names, sums, strict=True)}
    return found | {"mahalanobis": float(torch.cat(far).mean())}


@torch.no_grad()
def measure_links(
    generator: nn.Module, encoder: Encoder, spec: LinkSpec, labels: Tensor, seed: int = 1
) -> dict[str, float]:
    """Return how much encoded coordinates of a shared block change when all other axes are another sample's.

    Args:
        generator: the encoder's network.
        encoder: checked.
        spec: links in W.
        labels: [N, c_dim], one pair of generated images for each.
        seed: of the pairs.
    Returns:
        ``NAME/link_change``: root mean square change of the link's coordinates when all others are swapped, in
        deviations of drawn latents; ``NAME/rest_change``: that of the others when the link's are swapped. 0 is
        perfect, 1.41 is the change between independent samples.
    """
    renderer, device = Renderer(generator), encoder.network.mean.device
    labels = labels.to(device)
    drawn = drawn_latents(generator, labels.repeat(-(-_SAMPLES // len(labels)), 1))
    term = LinkTerm(spec, LatentStatistics(drawn[:, 0], spec).coordinates)
    first, donors = drawn_latents(generator, labels, 2 * seed), drawn_latents(generator, labels, 2 * seed + 1)

    def encoded(latents: Tensor) -> Tensor:
        parts = []
        for some, label in zip(latents.split(_AT_ONCE), labels.split(_AT_ONCE), strict=True):
            start = encoder.start(len(some))
            parts.append(encoder.refine(renderer, renderer.images(some, label), label, start, encoder.passes))
        return torch.cat(parts)

    found, own = {}, encoded(first)
    masks = spec.axis_masks(device=device)
    for link, mask in zip(spec.links, masks, strict=False):
        for name, shared in (("link_change", mask), ("rest_change", ~mask)):
            if bool(shared.any()):
                other = encoded(replace_axes(first, donors, ~shared, spec.basis))
                change = term.changes(own, other, shared.expand(len(own), -1))
                found[f"{link.name}/{name}"] = float(change.mean().sqrt())
    return found
