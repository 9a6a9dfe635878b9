"""Densities and colours inside the volumes of 3D-aware generators, at points of space."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import LinkGANError
from .part import GeneratorPart
from .random_state import own_random_state

_SAMPLE = "sample_mixed"  # the method of eg3d and what derives from it
_POINTS = 1 << 17  # per call, which bounds the memory


class Volume:
    """The volume of one latent: an inside, where the density is above a level, and its colours.

    Args:
        generator: with eg3d's `sample_mixed(coordinates, directions, ws)` and `rendering_kwargs`.
        ws: [1, num_ws, w_dim].
    Attributes:
        side: of the cube around the origin that the generator fills, in world units.
    Raises:
        LinkGANError: a generator without volumes.
    """

    def __init__(self, generator: nn.Module, ws: Tensor) -> None:
        if not callable(getattr(generator, _SAMPLE, None)):
            raise LinkGANError(
                f"{type(generator).__name__} has no volume: no {_SAMPLE}(coordinates, directions, ws), as eg3d's "
                "generator has; use a 3D-aware network"
            )
        rendering: dict[str, Any] = getattr(generator, "rendering_kwargs", None) or {}
        self.side = _side(rendering)
        # PanoHead's other decoders give features, which only the network's own layers turn into colours.
        self._coloured = rendering.get("decoder_activation", "sigmoid") == "sigmoid"
        self._ws = ws
        self._sample = GeneratorPart(generator, _SAMPLE)
        self._settings = {"noise_mode": "const"} if self._sample.accepts("synthesis_kwargs") else {}

    @torch.no_grad()
    def at(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return densities [M], before the host's softplus, and colours [M, 3] in [0, 1] at points [M, 3].

        Colours are grey where the host's decoder gives none.
        """
        found = [self._at(part) for part in points.split(_POINTS)]
        return torch.cat([density for density, _ in found]), torch.cat([colour for _, colour in found])

    def grid(self, size: int) -> Tensor:
        """Return the densities [size, size, size] on a lattice of the cube, by x, y and z, from -side/2 to side/2."""
        # Colours are computed in vain: `sample_mixed` gives both, and eg3d's decoder makes both in one product.
        steps = torch.linspace(-self.side / 2, self.side / 2, size, device=self._ws.device)
        slabs = steps.split(max(1, _POINTS // size**2))  # every call computes the host's tri-planes again
        return torch.cat([self.at(torch.cartesian_prod(slab, steps, steps))[0] for slab in slabs]).view(3 * [size])

    def _at(self, points: Tensor) -> tuple[Tensor, Tensor]:
        points = points[None].to(self._ws)
        with own_random_state(self._ws.device, seed=0):  # density noise, where a host renders with it
            out: dict[str, Tensor] = self._sample(points, torch.zeros_like(points), self._ws, **self._settings)
        # The first three features are the image's colours; the decoder keeps them in [-0.001, 1.001].
        colours = out["rgb"][0, :, :3].float().clamp(0, 1)
        return out["sigma"][0, :, 0].float(), colours if self._coloured else torch.full_like(colours, 0.7)


def _side(rendering: dict[str, Any]) -> float:
    side = rendering.get("box_warp")
    if not isinstance(side, (int, float)) or not side > 0:
        raise LinkGANError(f"rendering_kwargs has box_warp {side!r}; expected the side of the volume's cube, above 0")
    return float(side)
