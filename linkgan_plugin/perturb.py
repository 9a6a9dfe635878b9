"""Perturbations: where a latent goes when a block of its axes is moved.

A perturbation says where *every* axis would go; `move` then lets only the axes of one block follow. A new
perturbation is therefore one function, registered in the entry-point group ``linkgan.perturbations``.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Perturbation(Protocol):
    """``(ws, donor, strength, generator) -> target``, all latents [N, L, D] (L = 1 in Z, num_ws in W)."""

    def __call__(self, ws: Tensor, donor: Tensor, strength: float, generator: torch.Generator | None) -> Tensor: ...


def gaussian(ws: Tensor, donor: Tensor, strength: float, generator: torch.Generator | None) -> Tensor:
    """Add ``strength * p`` with p ~ N(0, I): the paper's perturbation, its alpha being `strength`.

    All rows of a latent move alike, so style mixing and per-layer truncation keep their meaning.

    Args:
        ws: [N, L, D] float latents.
        donor: unused.
        strength: alpha.
        generator: source of p.
    Returns:
        [N, L, D].
    """
    noise = torch.randn([ws.shape[0], 1, ws.shape[2]], generator=generator, device=ws.device, dtype=torch.float32)
    return ws + strength * noise.to(ws.dtype)


def swap(ws: Tensor, donor: Tensor, strength: float, generator: torch.Generator | None) -> Tensor:
    """Go to another sample's latent: exactly the edit that a user makes.

    Args:
        ws: [N, L, D] float latents.
        donor: [N, L, D], the other samples' latents.
        generator: unused.
        strength: share of the way to the donor, 1 = all of it.
    Returns:
        [N, L, D].
    """
    return donor if strength == 1 else torch.lerp(ws, donor, strength)


def move(ws: Tensor, target: Tensor, block: Tensor) -> Tensor:
    """Move only the axes in `block` from `ws` to `target`.

    Args:
        ws: [N, L, D] latents.
        target: [N, L, D], where every axis would go.
        block: bool, [D] or [N, D].
    Returns:
        [N, L, D]; axes outside the block are bitwise those of `ws`.
    """
    return torch.where(block.unsqueeze(-2), target, ws)
