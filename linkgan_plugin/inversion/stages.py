"""The inversion of a batch of photographs in stages: W and W+, or an encoder's passes and details; then tuning."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from . import noise as noises
from .encoder import Encoder
from .encoding import Encoding
from .perceptual import Distance
from .projected import Projected, latent_shape
from .rendering import Renderer
from .search import LatentSearch, Statistics, statistics
from .settings import DETAILED, ENCODED, RESTYLED, TUNED, InversionSettings, check_method
from .tuning import Tuning


class Outcome(NamedTuple):
    """The inversion of one photograph.

    Attributes:
        projected: its latents, noise and weights.
        images: the generator's image after each stage, [1, C, H, W] on the CPU.
        seconds: by stage; images inverted together share the time.
    """

    projected: Projected
    images: dict[str, Tensor]
    seconds: dict[str, float]


class Inversion:
    """The inversion of N photographs as one batch, step by step; it can be watched, stopped and resumed.

    Args:
        generator: any network with a space W; it is not changed.
        photographs: [N, C, R, R] in [-1, 1], of the network's size.
        labels: [N, c_dim], classes or cameras.
        settings: of every inversion.
        distance: minimised.
        encoder: of the generator, for the methods that need one.
    Raises:
        LinkGANError: no encoder or details for such a method, or another network's.
    """

    def __init__(
        self,
        generator: nn.Module,
        photographs: Tensor,
        labels: Tensor,
        settings: InversionSettings,
        distance: Distance,
        encoder: Encoder | None = None,
    ) -> None:
        check_method(settings.method, encoder is not None)
        self.settings, self._distance, self._encoder = settings, distance, encoder
        self._num_ws = latent_shape(generator)[0]
        self._renderer = Renderer(generator)
        device = next(iter(generator.parameters()), torch.zeros([])).device
        self._targets, self._labels = photographs.to(device), labels.to(device)
        self._noise: dict[str, Tensor] = {}
        if encoder is not None:
            encoder.check(generator)
            if DETAILED in settings.stages:
                _ = encoder.required_details
            self._latents = encoder.start(len(photographs)).to(device).contiguous()
        if encoder is None or settings.tune:
            found = self._statistics(int(getattr(generator, "z_dim")))  # noqa: B009 (nn.Module types attributes as tensors)
            self._deviations = torch.tensor([one.deviation for one in found], device=device)
        if encoder is None:
            self._latents = torch.stack([one.mean for one in found])  # [N, 1, w_dim]
            self._noise = self._initial_noise() if settings.noise else {}
        self._images: dict[str, Tensor] = {}
        self._tuned: dict[int, dict[str, Tensor]] = {}
        self._seconds = {stage: [0.0] * len(photographs) for stage in settings.stages}
        self._stage = self._image = 0
        self._work: LatentSearch | Encoding | Tuning | None = self._begun()

    def _statistics(self, z_dim: int) -> list[Statistics]:
        """Return the statistics of W for every image; images of one label share them."""
        known: dict[bytes, Statistics] = {}
        rows = []
        for label in self._labels.split(1):
            key = label.cpu().numpy().tobytes()
            if key not in known:
                known[key] = statistics(self._renderer.calls, z_dim, label)
            rows.append(known[key])
        return rows

    def _initial_noise(self) -> dict[str, Tensor]:
        random = torch.Generator().manual_seed(self.settings.seed)
        shown = self._renderer.noise_that_shows(self._latents[:1].expand(-1, self._num_ws, -1), self._labels[:1])
        noise = {}
        for name, level in shown.items():
            drawn = torch.randn([1, 1, *level.shape], generator=random)
            noise[name] = drawn.to(level).repeat(len(self._targets), 1, 1, 1)
        noises.normalise(noise.values())
        return noise

    @property
    def finished(self) -> int:
        """Number of finished images; they are the first ones."""
        return len(self._targets) if self._work is None else self._image

    @property
    def steps_done(self) -> int:
        """Number of finished steps, counted per image."""
        images, stages = len(self._targets), self.settings.stages
        finished = stages[: min(self._stage, len(stages) - bool(self.settings.tune))]
        latent = sum(map(self.settings.steps_of, finished)) * images
        now = 0 if self._work is None else self._work.done * (1 if self._tuning else images)
        return latent + self.settings.tune * self._image + now

    @property
    def _tuning(self) -> bool:
        return self._stage < len(self.settings.stages) and self.settings.stages[self._stage] == TUNED

    def advance(self) -> None:
        """Do one step of one stage."""
        if self._work is None:
            return
        started = time.perf_counter()
        self._work.advance()
        stage = self.settings.stages[self._stage]
        images = [self._image] if self._tuning else range(len(self._targets))
        if self._work.done == self._work.steps:
            self._keep(stage)
            self._work = self._begun()
        spent = (time.perf_counter() - started) / len(images)
        for image in images:
            self._seconds[stage][image] += spent

    @torch.no_grad()
    def _keep(self, stage: str) -> None:
        """Store the result of the finished work."""
        if isinstance(self._work, LatentSearch | Encoding):
            self._latents, self._noise = self._work.latents, self._work.noise
            self._images[stage] = self._image_of(stage)
            self._stage += 1
            return
        assert self._work is not None
        one, tuned = slice(self._image, self._image + 1), self._work.tuned
        image = self._renderer.images(self._latents[one], self._labels[one], self._noise_of(one), tuned)
        self._images[stage] = torch.cat([*([self._images[stage]] if self._image else []), image])
        self._tuned[self._image] = tuned
        self._image += 1
        if self._image == len(self._targets):
            self._stage += 1

    def _image_of(self, stage: str) -> Tensor:
        """Return the images of a stage, [N, C, H, W]."""
        if stage != DETAILED:
            return self._renderer.images(self._latents, self._labels, self._noise)
        assert self._encoder is not None
        return self._encoder.required_details.reconstruct(self._renderer, self._targets, self._labels, self._latents)

    def _begun(self) -> LatentSearch | Encoding | Tuning | None:
        """Return the next work, None at the end."""
        if self._stage == len(self.settings.stages):
            return None
        if self._tuning:
            return self._begun_tuning()
        if self._encoder is not None:
            # The stage of details leaves the latents as they are.
            passes = {ENCODED: 1, RESTYLED: self._encoder.passes - 1}.get(self.settings.stages[self._stage], 0)
            return Encoding(self._renderer, self._encoder, self._targets, self._labels, self._latents, passes)
        in_w = self.settings.stages[self._stage] == "w"
        return LatentSearch(
            self._renderer,
            self._distance,
            self._targets,
            self._labels,
            self._latents if in_w else self._latents.expand(-1, self._num_ws, -1),
            self._noise,
            # W+ starts from a solution, which noise on the latents would undo.
            self._deviations if in_w else torch.zeros_like(self._deviations),
            num_ws=self._num_ws,
            steps=self.settings.steps,
            seed=self.settings.seed,
        )

    def _begun_tuning(self) -> Tuning:
        one = slice(self._image, self._image + 1)
        return Tuning(
            self._renderer,
            self._distance,
            self._targets[one],
            self._labels[one],
            self._latents[one],
            self._noise_of(one),
            steps=self.settings.tune,
            locality=self.settings.locality,
            reach=float(self._deviations[self._image]),
            seed=self.settings.seed,
        )

    def _noise_of(self, images: slice) -> dict[str, Tensor]:
        return {name: level[images] for name, level in self._noise.items()}

    @torch.no_grad()
    def images(self) -> Tensor:
        """Return the images of the latents and noise found so far, [N, C, H, W], without tuned weights."""
        work = self._work
        latents, noise = (
            (work.latents, work.noise) if isinstance(work, LatentSearch | Encoding) else (self._latents, self._noise)
        )
        return self._renderer.images(latents.expand(-1, self._num_ws, -1), self._labels, noise)

    def take(self, image: int) -> Outcome:
        """Return one of the `finished` images and release its tuned weights, which may be large."""
        one = slice(image, image + 1)
        noise = {name: level[image, 0].cpu() for name, level in self._noise.items()}
        tuned = {name: weight.cpu() for name, weight in self._tuned.pop(image, {}).items()}
        labels, latents, target = (t[one].cpu() for t in (self._labels, self._latents, self._targets))
        detailed = DETAILED in self.settings.stages
        projected = Projected(latents.contiguous(), labels, noise, tuned, target, detailed)
        images = {stage: found[one].cpu() for stage, found in self._images.items()}
        return Outcome(projected, images, {stage: spent[image] for stage, spent in self._seconds.items()})

    def state(self) -> dict[str, Any]:
        """Return the state that an inversion with the same arguments resumes from, without finished images."""
        found = {"latents": self._latents, "noise": self._noise, "images": self._images, "seconds": self._seconds}
        work = None if self._work is None else self._work.state()
        return {"stage": self._stage, "image": self._image, **found, "work": work}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from the result of `state`."""
        device = self._targets.device
        self._stage, self._image, self._seconds = state["stage"], state["image"], state["seconds"]
        self._latents = state["latents"].to(device)
        self._noise = {name: level.to(device) for name, level in state["noise"].items()}
        self._images = {stage: found.to(device) for stage, found in state["images"].items()}
        self._work = self._begun()
        if self._work is not None:
            self._work.restore(state["work"])
