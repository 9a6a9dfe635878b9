"""What details are worth: errors of reconstructions with them, and of edits by links whose results are known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..links import LinkSpec
from ..perturb import replace_axes
from .details_losses import chosen_masks
from .encoder import Encoder
from .encoder_measure import drawn_latents
from .rendering import Renderer

_AT_ONCE = 16


@torch.no_grad()
def measure_details(generator: nn.Module, encoder: Encoder, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Return `mae_details`, the mean absolute error of reconstructions with details.

    Args:
        generator: the encoder's network.
        encoder: checked, with details.
        images: [N, C, R, R] in [-1, 1], preferably not from its training.
        labels: [N, c_dim].
    """
    renderer, total = Renderer(generator), 0.0
    device = renderer.calls.device
    for some, label in zip(images.to(device).split(_AT_ONCE), labels.to(device).split(_AT_ONCE), strict=True):
        latents = encoder.refine(renderer, some, label, encoder.start(len(some)), encoder.passes)
        found = encoder.required_details.reconstruct(renderer, some, label, latents)
        total += float((found.clamp(-1, 1) - some).abs().flatten(1).mean(dim=1).sum())
    return {"mae_details": total / len(images)}


@torch.no_grad()
def measure_outside(
    generator: nn.Module, encoder: Encoder, spec: LinkSpec, images: Tensor, labels: Tensor, seed: int = 3
) -> dict[str, float]:
    """Return the mean absolute error outside a region after that region was edited.

    Args:
        generator: the encoder's network.
        encoder: checked, with details.
        spec: links in W.
        images: [N, C, R, R] in [-1, 1]; each is edited once for each link.
        labels: [N, c_dim].
        seed: of the samples that the regions are taken from.
    Returns:
        ``NAME/outside`` of the encoder alone and ``NAME/outside_details`` with details: over the pixels outside the
        region before and after the edit.
    """
    renderer, details, device = Renderer(generator), encoder.required_details, encoder.network.mean.device
    images, labels = images.to(device), labels.to(device)
    donors = drawn_latents(generator, labels, seed)
    parts = [part.split(_AT_ONCE) for part in (images, labels, donors)]
    masks = spec.axis_masks(device=device)
    found: dict[str, float] = {}
    for number, link in enumerate(spec.links):
        sums = torch.zeros(3, dtype=torch.float64)
        for some, label, donor in zip(*parts, strict=True):
            latents = encoder.refine(renderer, some, label, encoder.start(len(some)), encoder.passes)
            edited = replace_axes(latents, donor, masks[number], spec.basis)
            before, after = renderer.images(latents, label), renderer.images(edited, label)
            chosen = torch.full([len(some)], number, device=device)
            region = torch.maximum(*(chosen_masks(spec, part, chosen) for part in (before, after)))
            better = details.edit(renderer, some, label, latents, edited)
            errors = [((part.clamp(-1, 1) - some).abs() * (1 - region)).sum() for part in (after, better)]
            sums += torch.stack([*errors, (1 - region).sum() * some.shape[1]]).double().cpu()
        plain, detailed, area = sums.tolist()
        if area:
            found |= {f"{link.name}/outside": plain / area, f"{link.name}/outside_details": detailed / area}
    return found
