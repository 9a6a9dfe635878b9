"""Axis mixing: perturbs one block in a share of the samples of the host's own losses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from .calls.generator import GeneratorCalls
from .links import LinkSpec
from .perturb import Perturbation, replace_axes
from .recipes import Recipe
from .regularizer import Perturbations, assign_perturbations


class Mixer:
    """Perturbs one block of a share of the latents that leave (W) or enter (Z) the mapping network.

    It temporarily replaces the mapping network, so it applies to all latents of the host's loss, in phases of G and D.

    Args:
        calls: the host's generator.
        spec: its latent space and basis are used.
        perturbations: the perturbations to draw from.
        perturb: function that perturbs a block.
        recipe: its `mixing` and `strength` are used.
        random: generator for all random numbers.
    """

    def __init__(
        self,
        calls: GeneratorCalls,
        spec: LinkSpec,
        perturbations: Perturbations,
        perturb: Perturbation,
        recipe: Recipe,
        random: torch.Generator,
    ) -> None:
        self.calls, self.spec, self.perturbations = calls, spec, perturbations
        self.perturb, self.recipe, self.random = perturb, recipe, random

    def attached(self) -> AbstractContextManager[None]:
        """Return the context in which all latents that the host maps are mixed."""
        return self.calls.entry.replaced(self._mixing_z if self.spec.space == "z" else self._mixing_w)

    def _mixing_z(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def mixed(z: Tensor, *args: Any, **kwargs: Any) -> Any:
            row = z.unsqueeze(1)
            return call(self._mix(row, self._noise(row)).squeeze(1), *args, **kwargs)

        return mixed

    def _mixing_w(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def mixed(z: Tensor, c: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
            ws = call(z, c, *args, **kwargs)
            return self._mix(ws, call(self._noise(z), c, **self.calls.no_ema_kwargs))

        return mixed

    def _noise(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.random, device=like.device, dtype=like.dtype)

    def _mix(self, latents: Tensor, donor: Tensor) -> Tensor:
        which = assign_perturbations(len(self.perturbations), len(latents), 1, self.random, latents.device)[0]
        picked = torch.rand([len(latents), 1], generator=self.random, device=latents.device) < self.recipe.mixing
        target = self.perturb(latents, donor, self.recipe.strength, self.random)
        return replace_axes(latents, target, self.perturbations.axes[which] & picked, self.spec.basis)
