"""The passes of an encoder as one step of an inversion."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .encoder import Encoder
from .rendering import Renderer


class Encoding:
    """Some passes of an encoder over N images as one batch, in one step; no image depends on another.

    Args:
        renderer: of the generator.
        encoder: of the generator.
        targets: [N, C, H, W] in [-1, 1].
        labels: [N, c_dim].
        latents: [N, num_ws, w_dim], where the passes start.
        passes: their number; 0 changes nothing.
    """

    steps = 1

    def __init__(
        self, renderer: Renderer, encoder: Encoder, targets: Tensor, labels: Tensor, latents: Tensor, passes: int
    ) -> None:
        self._renderer, self._encoder, self._targets, self._labels = renderer, encoder, targets, labels
        self.latents, self._passes, self.done = latents, passes, 0
        self.noise: dict[str, Tensor] = {}

    def advance(self) -> None:
        """Do the step."""
        self.latents = self._encoder.refine(
            self._renderer, self._targets, self._labels, self.latents, self._passes
        ).contiguous()
        self.done = 1

    def state(self) -> dict[str, Any]:
        """Return the state that an encoding with the same arguments resumes from."""
        return {"done": self.done, "latents": self.latents}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from the result of `state`."""
        self.done, self.latents = state["done"], state["latents"].to(self._targets.device)
