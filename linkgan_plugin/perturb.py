"""Perturbations: the new values of a latent's axes when a block of them is changed.

A perturbation gives new values for *every* axis; `replace_axes` then takes only those of one block. A new
perturbation is therefore one function, registered in the entry-point group ``linkgan.perturbations``.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from .basis import Basis


class Perturbation(Protocol):
    """``(ws, donor, strength, generator) -> target``, all latents [N, L, D] (L = 1 in Z, num_ws in W)."""

    def __call__(self, ws: Tensor, donor: Tensor, strength: float, generator: torch.Generator | None) -> Tensor: ...


def gaussian(ws: Tensor, donor: Tensor, strength: float, generator: torch.Generator | None) -> Tensor:
    """Return w + alpha p, p ~ N(0, I): the perturbation of LinkGAN Eq. 3-4, with alpha = `strength`.

    All rows of a latent change equally, so style mixing and per-layer truncation keep their meaning.

    Args:
        ws: [N, L, D] float latents.
        donor: unused.
        strength: alpha.
        generator: random generator for p.
    Returns:
        [N, L, D].
    """
    noise = torch.randn([ws.shape[0], 1, ws.shape[2]], generator=generator, device=ws.device, dtype=torch.float32)
    return ws + strength * noise.to(ws.dtype)


def swap(ws: Tensor, donor: Tensor, strength: float, generator: torch.Generator | None) -> Tensor:
    """Return w + strength (donor - w): at strength 1 the block of another sample, which is the edit a user makes.

    Args:
        ws: [N, L, D] float latents.
        donor: [N, L, D], another sample's.
        strength: 0 to 1; interpolates from `ws` to `donor`.
        generator: unused.
    Returns:
        [N, L, D].
    """
    return donor if strength == 1 else torch.lerp(ws, donor, strength)


def replace_axes(ws: Tensor, target: Tensor, block: Tensor, basis: Basis | None = None) -> Tensor:
    """Take the axes in `block` from `target` and all others from `ws`.

    Args:
        ws: [N, L, D] latents.
        target: [N, L, D] latents.
        block: bool, [D] or [N, D].
        basis: of the axes; None for the coordinates of the latents themselves.
    Returns:
        [N, L, D]; axes outside the block are those of `ws`, bitwise without a basis and up to rounding with one.
    """
    if basis is not None:
        return basis.replace(ws, target, block.unsqueeze(-2))
    return torch.where(block.unsqueeze(-2), target, ws)
