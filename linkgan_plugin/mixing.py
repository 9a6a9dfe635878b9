"""Axis mixing: a share of the samples that the host's own losses see carries one moved block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from .hosts.calls import GeneratorCalls, unwrap
from .perturb import Perturbation, move
from .recipes import Recipe
from .regularizer import Moves, choose


class Mixer:
    """Moves one block of a share of the latents on their way out of (W) or into (Z) the mapping network.

    A hook on the mapping network sees every latent that the host's loss draws, in the phases of G and D alike. It lives
    only as long as `attached`: a hook left behind would make the host's snapshot fail to pickle.

    Args:
        calls: the host's generator. space: `w` or `z`. moves: the moves to draw from. perturb, recipe: how blocks move.
        random: the source of everything drawn here.
    """

    def __init__(
        self,
        calls: GeneratorCalls,
        space: str,
        moves: Moves,
        perturb: Perturbation,
        recipe: Recipe,
        random: torch.Generator,
    ) -> None:
        self.calls, self.space, self.moves = calls, space, moves
        self.perturb, self.recipe, self.random = perturb, recipe, random
        self._inside = False

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Mix all that the mapping network does within the block."""
        mapping = unwrap(self.calls.mapping_module)
        if self.space == "z":
            handle = mapping.register_forward_pre_hook(self._before)
        else:
            handle = mapping.register_forward_hook(self._after)
        try:
            yield
        finally:
            handle.remove()

    def _before(self, module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        z = args[0].unsqueeze(1)
        return (self._mix(z, self._noise(z)).squeeze(1), *args[1:])

    def _after(self, module: torch.nn.Module, args: tuple[Any, ...], ws: Tensor) -> Tensor:
        if self._inside:  # the donors' own pass through the network
            return ws
        self._inside = True
        try:
            donor = self.calls.map(self._noise(args[0]), args[1] if len(args) > 1 else None)
        finally:
            self._inside = False
        return self._mix(ws, donor)

    def _noise(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.random, device=like.device, dtype=like.dtype)

    def _mix(self, latents: Tensor, donor: Tensor) -> Tensor:
        _, which = choose(len(self.moves), len(latents), "one", self.random, latents.device)
        picked = torch.rand([len(latents), 1], generator=self.random, device=latents.device) < self.recipe.mixing
        target = self.perturb(latents, donor, self.recipe.strength, self.random)
        return move(latents, target, self.moves.axes[which] & picked)
