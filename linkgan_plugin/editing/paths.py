"""The way from an image's axes to those of another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import LinkGANError
from ..generators import LinkedGenerator

PATHS = ("linear", "spherical")
_STRAIGHT = 1e-4  # radians: vectors so close have one direction, and the arc is a line


def spherical(here: Tensor, there: Tensor, block: Tensor, share: float) -> Tensor:
    """Return the point after `share` of the arc from one vector to another (Shoemake 1985), [1, L, D].

    Samples of Z = N(0, I) all have about the same length; the points between two on a line are shorter, on the arc they
    are not.

    Args:
        here: [1, L, D].
        there: [1, L, D].
        block: bool [D], the coordinates that move; those of `here` stay elsewhere.
        share: 0 for `here`, 1 for `there`.
    """
    # q(t) = (sin((1 - t) a) p + sin(t a) q) / sin a, a the angle between p and q; the lengths of p and q by their line
    p, q = here[..., block], there[..., block]
    lengths = [part.norm(dim=-1, keepdim=True).clamp_min(1e-12) for part in (p, q)]
    units = [part / length for part, length in zip((p, q), lengths, strict=True)]
    angle = (units[0] * units[1]).sum(dim=-1, keepdim=True).clamp(-1, 1).acos()
    arc = (torch.sin((1 - share) * angle) * units[0] + torch.sin(share * angle) * units[1]) / torch.sin(angle)
    line = torch.lerp(units[0], units[1], share)
    moved = here.clone()
    moved[..., block] = torch.where(angle < _STRAIGHT, line, arc) * torch.lerp(lengths[0], lengths[1], share)
    return moved


def along(
    generator: LinkedGenerator, here: Tensor, there: Tensor, regions: Sequence[str], path: str, share: float
) -> Tensor:
    """Return the axes, [1, L, D], of latents after a share of the way to others.

    Args:
        generator: the network with its links.
        here: [1, L, D], latents.
        there: [1, L, D].
        regions: the blocks that move; only the axes of these are meaningful.
        path: one of `PATHS`.
        share: 0 for `here`, 1 for `there`.
    Raises:
        LinkGANError: a spherical path in W.
    """
    if path == "linear":
        return generator.axes(torch.lerp(here, there, share))
    if generator.spec.space != "z":
        raise LinkGANError("only samples of Z lie near a sphere, and these links are in W; use a linear path")
    return spherical(generator.axes(here), generator.axes(there), generator.block(regions), share)


def rows_of(layers: Sequence[int], latents: Tensor) -> Tensor:
    """Return bool [L, 1], true for these layers of latents [1, L, D]; LinkGANError for others than 0 to L - 1."""
    count = latents.shape[1]
    if max(layers) >= count:
        known = f"layers 0 to {count - 1}" if count > 1 else "no layers"
        raise LinkGANError(f"layer {max(layers)}: this network's latents have {known}")
    return torch.tensor([[row in layers] for row in range(count)], device=latents.device)
