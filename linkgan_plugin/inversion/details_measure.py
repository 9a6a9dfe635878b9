"""What details are worth: errors of reconstructions with them, and of edits by links whose results are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

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
    donors = drawn_latents(generator, labels.to(encoder.network.mean.device), seed)
    found: dict[str, float] = {}
    for number, link in enumerate(spec.links):
        sums = torch.zeros(3, dtype=torch.float64)
        for edited in _edits(generator, encoder, spec, number, images, labels, donors):
            chosen = torch.full([len(edited.images)], number, device=edited.images.device)
            masks = (chosen_masks(spec, part, chosen) for part in (edited.before, edited.after))
            outside = 1 - torch.maximum(*masks)
            errors = [((part - edited.images).abs() * outside).sum() for part in (edited.after, edited.detailed)]
            sums += torch.stack([*errors, outside.sum() * edited.images.shape[1]]).double().cpu()
        plain, detailed, area = sums.tolist()
        if area:
            found |= {f"{link.name}/outside": plain / area, f"{link.name}/outside_details": detailed / area}
    return found


@torch.no_grad()
def measure_edits(
    generator: nn.Module, encoder: Encoder, spec: LinkSpec, labels: Tensor, seed: int = 1
) -> dict[str, float]:
    """Return the mean absolute error of edits whose results are known, over the whole image.

    Args:
        generator: the encoder's network.
        encoder: checked, with details.
        spec: links in W.
        labels: [N, c_dim], one pair of generated images for each.
        seed: of the pairs.
    Returns:
        ``NAME/edit`` of the encoder alone and ``NAME/edit_details`` with details: of G(w) edited as if it were a
        photograph, from G(w') where w' has the link's axes of another sample.
    """
    renderer, labels = Renderer(generator), labels.to(encoder.network.mean.device)
    known, donors = (drawn_latents(generator, labels, 2 * seed + part) for part in (0, 1))
    masks = spec.axis_masks(device=labels.device)
    images = _rendered(renderer, known, labels)
    found: dict[str, float] = {}
    for number, link in enumerate(spec.links):
        wanted = _rendered(renderer, replace_axes(known, donors, masks[number], spec.basis), labels)
        sums, at = torch.zeros(2, dtype=torch.float64), 0
        for edited in _edits(generator, encoder, spec, number, images, labels, donors):
            some = wanted[at : at + len(edited.images)]
            at += len(some)
            errors = [(part - some).abs().flatten(1).mean(dim=1).sum() for part in (edited.after, edited.detailed)]
            sums += torch.stack(errors).double().cpu()
        plain, detailed = (sums / len(images)).tolist()
        found |= {f"{link.name}/edit": plain, f"{link.name}/edit_details": detailed}
    return found


class _Edits(NamedTuple):
    """Images [N, C, R, R] of some edits, in [-1, 1]: the photographs, G(w_e), G(w_e'), and this with details."""

    images: Tensor
    before: Tensor
    after: Tensor
    detailed: Tensor


def _edits(
    generator: nn.Module,
    encoder: Encoder,
    spec: LinkSpec,
    number: int,
    images: Tensor,
    labels: Tensor,
    donors: Tensor,
) -> Iterator[_Edits]:
    """Encode images, take a link's axes from the donors, and give the results, some images at a time."""
    renderer, device = Renderer(generator), encoder.network.mean.device
    axes = spec.axis_masks(device=device)[number]
    parts = (part.to(device).split(_AT_ONCE) for part in (images, labels, donors))
    for some, label, donor in zip(*parts, strict=True):
        latents = encoder.refine(renderer, some, label, encoder.start(len(some)), encoder.passes)
        edited = replace_axes(latents, donor, axes, spec.basis)
        before, after = renderer.images(latents, label), renderer.images(edited, label)
        change = encoder.required_details.change(some - before, before, after)
        better = renderer.images(edited, label, change=change)
        yield _Edits(some, before, after.clamp(-1, 1), better.clamp(-1, 1))


def _rendered(renderer: Renderer, latents: Tensor, labels: Tensor) -> Tensor:
    parts = zip(latents.split(_AT_ONCE), labels.split(_AT_ONCE), strict=True)
    return torch.cat([renderer.images(*part) for part in parts]).clamp(-1, 1)
