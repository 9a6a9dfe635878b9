"""Pivotal tuning: fine-tuning the synthesis network on the latents of a photograph (PTI, Roich et al. 2021)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .perceptual import Distance
from .rendering import Renderer

_LEARNING_RATE = 3e-4


class Tuning:
    """Optimises the weights theta that the image of one latent, the pivot, depends on; the generator is not changed.

    The loss is ``L(G(w_p; theta*), x) + locality L(G(w_r; theta*), G(w_r; theta))`` with
    ``L(a, b) = distance(a, b) + mean (a - b)^2`` (Eq. 1 to 4 of the paper, with the mean squared error for its L2
    term). w_r = w_p + reach (w_z - w_p) / ||w_z - w_p|| is a new point near the pivot in every step, towards the
    sample w_z; the paper calls `reach` alpha (30 in StyleGAN2's W).

    Args:
        renderer: of the generator.
        distance: the perceptual distance.
        target: [1, C, H, W] in [-1, 1].
        label: [1, c_dim].
        latents: [1, num_ws, w_dim], the pivot.
        noise: its maps [1, 1, R, R] by name.
        steps: their total number.
        locality: weight of the second term.
        reach: distance of w_r from the pivot, in W.
        seed: of the latents near the pivot.
    """

    def __init__(
        self,
        renderer: Renderer,
        distance: Distance,
        target: Tensor,
        label: Tensor,
        latents: Tensor,
        noise: dict[str, Tensor],
        *,
        steps: int,
        locality: float,
        reach: float,
        seed: int,
    ) -> None:
        self._renderer, self._distance, self._label = renderer, distance, label
        self._target, self._latents, self._noise = target, latents, noise
        self.steps, self._locality, self._reach, self._seed = steps, locality, reach, seed
        with torch.no_grad():
            self._wanted = distance.features(target)
        self._before = renderer.weights_that_show(latents, label)
        self._weights = {name: weight.clone().requires_grad_() for name, weight in self._before.items()}
        self._adam = torch.optim.Adam(self._weights.values(), lr=_LEARNING_RATE, betas=(0.9, 0.999))
        self.done = 0

    @property
    def tuned(self) -> dict[str, Tensor]:
        """The changed weights by their names in the generator's state dict, of the same shapes as there."""
        found = {name: weight.detach() for name, weight in self._weights.items()}
        return {name: weight for name, weight in found.items() if not torch.equal(weight, self._before[name])}

    def advance(self) -> Tensor:
        """Do one step. Returns the distance [1] before it."""
        self._adam.zero_grad(set_to_none=True)
        image = self._renderer.images(self._latents, self._label, self._noise, self._weights)
        distance = self._distance.between(self._distance.features(image), self._wanted)
        (distance.sum() + (image - self._target).square().mean()).backward()
        if self._locality:
            (self._locality * self._change_nearby()).backward()
        self._adam.step()
        self.done += 1
        return distance.detach()

    def _change_nearby(self) -> Tensor:
        random = torch.Generator().manual_seed(self._seed * 1_000_003 + self.done)
        z = torch.randn([1, self._renderer.generator.z_dim], generator=random).to(self._latents.device)  # type: ignore[list-item]
        with torch.no_grad():
            away = self._renderer.calls.map(z, self._label) - self._latents
            # All rows of ws are the same point of W: its length is that of one row.
            near = self._latents + self._reach * away / away.square().sum(dim=2).mean(dim=1).sqrt().clamp_min(1e-12)
            before = self._renderer.images(near, self._label, self._noise)
        after = self._renderer.images(near, self._label, self._noise, self._weights)
        return self._distance(after, before).sum() + (after - before).square().mean()

    def state(self) -> dict[str, Any]:
        """Return the state that a tuning with the same arguments resumes from: tensors and plain numbers."""
        weights = {name: weight.detach() for name, weight in self._weights.items()}
        return {"done": self.done, "weights": weights, "adam": self._adam.state_dict()}

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Resume from the result of `state`."""
        self.done = state["done"]
        for name, weight in self._weights.items():
            weight.copy_(state["weights"][name])
        self._adam.load_state_dict(state["adam"])
