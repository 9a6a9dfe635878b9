"""Optimisation of latents in W or W+ and of noise maps for given photographs (Karras et al. 2020, appendix D)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..calls.generator import GeneratorCalls
from . import noise as noises
from .perceptual import Distance
from .rendering import Renderer

SAMPLES = 10_000
_AT_ONCE = 1000
LEARNING_RATE = 0.1
_RAMP_UP, _RAMP_DOWN, _NOISY = 0.05, 0.25, 0.75
_LATENT_NOISE = 0.05
_NOISE_WEIGHT = 1e5


class Statistics(NamedTuple):
    """Statistics of W under one label: its mean mu_w [1, w_dim] and its deviation sigma_w = sqrt(E ||w - mu_w||^2)."""

    mean: Tensor
    deviation: float


@torch.no_grad()
def statistics(calls: GeneratorCalls, z_dim: int, label: Tensor, samples: int = SAMPLES) -> Statistics:
    """Return mean and deviation of w over `samples` fixed latents mapped with a label [1, c_dim]."""
    drawn = np.random.RandomState(0).randn(samples, z_dim).astype(np.float32)
    parts = torch.from_numpy(drawn).to(label.device).split(_AT_ONCE)
    w = torch.cat([calls.map(z, label.expand(len(z), -1))[:, 0] for z in parts]).double()
    mean = w.mean(dim=0, keepdim=True)
    return Statistics(mean.float(), float((w - mean).square().sum(dim=1).mean().sqrt()))


def learning_rate(done: float, highest: float = LEARNING_RATE) -> float:
    """Return the learning rate after the share `done` of the steps: a linear ramp up and a cosine ramp down."""
    # 0.1 min(1, t / 0.05) (0.5 - 0.5 cos(pi min(1, (1 - t) / 0.25)))
    down = min(1.0, (1 - done) / _RAMP_DOWN)
    return highest * (0.5 - 0.5 * math.cos(math.pi * down)) * min(1.0, done / _RAMP_UP)


def latent_noise(done: float) -> float:
    """Return the deviation of the noise on latents, in units of sigma_w, after the share `done` of the steps."""
    # 0.05 sigma_w max(0, 1 - t / 0.75)^2
    return _LATENT_NOISE * max(0.0, 1 - done / _NOISY) ** 2


class LatentSearch:
    """Optimises latents and noise of N images as one batch; no image depends on another.

    The loss is ``D(G(w + e, n), x) + 1e5 sum_ij L_ij(n)``, with the image distance D, noise e on the latents and the
    noise regularisation L of noise.py.

    Args:
        renderer: of the generator.
        distance: D, minimised.
        targets: [N, C, H, W] in [-1, 1].
        labels: [N, c_dim].
        latents: the start: [N, 1, w_dim] to search W, [N, num_ws, w_dim] to search W+.
        noise: initial maps [N, 1, R, R] by name; {} keeps the generator's noise.
        deviations: [N], sigma_w of each image, which scales the noise on latents; 0 for none.
        num_ws: layers of the network's latents.
        steps: their total number.
        seed: of the noise on latents, the same for all images.
        rate: the highest learning rate.
    """

    def __init__(
        self,
        renderer: Renderer,
        distance: Distance,
        targets: Tensor,
        labels: Tensor,
        latents: Tensor,
        noise: dict[str, Tensor],
        deviations: Tensor,
        *,
        num_ws: int,
        steps: int,
        seed: int,
        rate: float = LEARNING_RATE,
    ) -> None:
        self._renderer, self._distance, self._labels = renderer, distance, labels
        with torch.no_grad():
            self._wanted = distance.features(targets)
        self._deviations = deviations[:, None, None]
        self._num_ws, self.steps, self._seed, self._rate = num_ws, steps, seed, rate
        self._latents = latents.detach().clone().requires_grad_()
        self._noise = {name: level.detach().clone().requires_grad_() for name, level in noise.items()}
        self._adam = torch.optim.Adam([self._latents, *self._noise.values()], betas=(0.9, 0.999))
        self.done = 0

    @property
    def latents(self) -> Tensor:
        """The latents so far, [N, num_ws, w_dim]."""
        return self._latents.detach().expand(-1, self._num_ws, -1)

    @property
    def noise(self) -> dict[str, Tensor]:
        """The noise so far, [N, 1, R, R] each."""
        return {name: level.detach() for name, level in self._noise.items()}

    def advance(self) -> Tensor:
        """Do one step. Returns the distances [N] before it."""
        done = self.done / self.steps
        for group in self._adam.param_groups:
            group["lr"] = learning_rate(done, self._rate)
        # One random state per step: a resumed search gives the same result to the bit.
        random = torch.Generator().manual_seed(self._seed * 1_000_003 + self.done)
        shift = torch.randn(self._latents.shape[1:], generator=random).to(self._latents.device)
        noisy = self._latents + shift * self._deviations * latent_noise(done)
        images = self._renderer.images(noisy.expand(-1, self._num_ws, -1), self._labels, self._noise)
        distances = self._distance.between(self._distance.features(images), self._wanted)
        loss = distances.sum()
        if self._noise:
            loss = loss + _NOISE_WEIGHT * noises.autocorrelation(self._noise.values()).sum()
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        self._adam.step()
        noises.normalise(self._noise.values())
        self.done += 1
        return distances.detach()

    def state(self) -> dict[str, Any]:
        """Return the state that a search with the same arguments resumes from: tensors and plain numbers."""
        tensors = {"latents": self._latents.detach(), "noise": self.noise}
        return {"done": self.done, **tensors, "adam": self._adam.state_dict()}

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Resume from the result of `state`."""
        self.done = state["done"]
        self._latents.copy_(state["latents"])
        for name, level in self._noise.items():
            level.copy_(state["noise"][name])
        self._adam.load_state_dict(state["adam"])
