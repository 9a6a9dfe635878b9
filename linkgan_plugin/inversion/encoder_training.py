"""Trains an encoder on generated images, whose latents are known, and on photographs alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.batches import BatchStream
from training_loops.formats.folder import ImageFolderDataset

from ..calls.random_state import own_random_state
from ..errors import LinkGANError
from ..labels import Labels
from ..links import LinkSpec
from ..metrics.efficientnet import load_efficientnet
from ..metrics.feature_distance import FeatureDistance
from .draws import Draws, check_data
from .encoder import Encoder, shape_for, weights_digest
from .encoder_losses import LatentDiscriminator, LatentStatistics, LinkTerm, discriminator_loss
from .encoder_network import EncoderNetwork
from .encoder_settings import EncoderSettings
from .perceptual import Lpips, PyramidDistance
from .rendering import Renderer

_SAMPLES, _AT_ONCE = 10_000, 1000
_FIRST_OFFSET, _LAST_OFFSET = 0.25, 0.75  # shares of the training between which the offsets are switched on
_R1 = 1.0


def offsets_on(done: float, num_ws: int) -> int:
    """Return how many offsets are switched on after the share `done` of the training: one after the other (e4e)."""
    share = (done - _FIRST_OFFSET) / (_LAST_OFFSET - _FIRST_OFFSET)
    return math.floor((num_ws - 1) * min(1.0, max(0.0, share)))


class EncoderTraining:
    """The training of an encoder, step by step; every step is a function of the seed, the step and the state.

    Args:
        generator: any 2D network with a space W; it does not change.
        settings: of the training.
        data: photographs of the network's size; None trains on generated images alone. Labels in it condition
            networks with classes.
        spec: links in W, for the link term.
        labels: of generated images; by default those of the data, or random classes.
        lpips: LPIPS, where the settings have a weight for it.
    Attributes:
        generator: as given.
        network: the encoder's network, as it is now.
        spec: as given.
        statistics: of drawn latents.
        done: finished steps.
    Raises:
        LinkGANError: a network without W, data of another size, a link term without links in W, or a distance whose
            network is missing.
    """

    def __init__(
        self,
        generator: nn.Module,
        settings: EncoderSettings,
        *,
        data: ImageFolderDataset | None = None,
        spec: LinkSpec | None = None,
        labels: Labels | None = None,
        lpips: Lpips | None = None,
    ) -> None:
        self.settings, self.done = settings, 0
        if settings.link and (spec is None or spec.space != "w" or not spec.links):
            raise LinkGANError(f"a link term of {settings.link:g} needs links in W; set it to 0 or link the network")
        shape = shape_for(generator, settings.width, settings.passes)
        self.generator, self._renderer, self.spec = generator, Renderer(generator), spec
        self._draws = Draws(generator, settings.seed, labels)
        self._device = next(iter(generator.parameters()), torch.zeros([])).device
        self._photographs = None if data is None else self._stream(data)
        if data is not None:
            check_data(data, shape.resolution, shape.channels, shape.c_dim)
        with own_random_state(self._device, settings.seed):
            self.network = EncoderNetwork(shape).to(self._device)
            drawn = [self._draws.latents(_AT_ONCE, -1 - part)[0][:, 0] for part in range(_SAMPLES // _AT_ONCE)]
            self.statistics = LatentStatistics(torch.cat(drawn), spec if settings.link else None)
            self._critic = LatentDiscriminator(self.statistics, shape.c_dim).to(self._device)
        self.network.mean.copy_(self.statistics.mean)
        self.network.deviation.copy_(self.statistics.deviation)
        self._link = LinkTerm(spec, self.statistics.coordinates) if spec is not None and settings.link else None
        self._weights, self._critic_weights = list(self.network.parameters()), list(self._critic.parameters())
        self._adam = torch.optim.Adam(self._weights, lr=settings.rate)
        self._critic_adam = torch.optim.Adam(self._critic_weights, lr=settings.rate, betas=(0.0, 0.99))
        self._distances = _distances(settings, lpips, self._device)

    def _stream(self, data: ImageFolderDataset) -> BatchStream:
        half = self.settings.batch // 2
        return BatchStream(data, batch_size=half, seed=self.settings.seed, device=self._device)

    def labels(self, count: int) -> Tensor:
        """Return labels of generated images, [count, c_dim], the same at every call."""
        return self._draws.latents(count, 0, 4)[1]

    def advance(self) -> dict[str, float]:
        """Do one step.

        Returns:
            The losses of all passes before it, without their weights, and that of the discriminator.
        Raises:
            LinkGANError: the loss is not finite.
        """
        step, settings = self.done, self.settings
        for adam in (self._adam, self._critic_adam):
            adam.param_groups[0]["lr"] = settings.rate_at(step)
        images, labels, known, shared = self._batch(step)
        latents = self.network.start(len(images)).detach()
        drawn = self._draws.latents(len(images), step, 2)
        on = offsets_on(step / settings.steps, self.network.shape.num_ws)
        gradients = [torch.zeros_like(weight) for weight in self._weights]
        sums: dict[str, float] = {}
        with torch.enable_grad():
            last = self._renderer.images(latents, labels).detach()
            for _ in range(settings.passes):
                # Each pass is trained by itself, as ReStyle does: gradients do not reach the passes before it.
                latents = latents + self.network(images, last, labels, on)
                last = self._renderer.images(latents, labels)
                losses = self._losses(images, last, latents, labels, known, shared)
                total = sum(getattr(settings, name) * loss for name, loss in losses.items())
                assert isinstance(total, Tensor)
                for kept, found in zip(gradients, torch.autograd.grad(total, self._weights), strict=True):
                    kept += found / settings.passes
                latents, last = latents.detach(), last.detach()
                for name, loss in losses.items():
                    sums[name] = sums.get(name, 0.0) + float(loss.detach()) / settings.passes
            sums["discriminator"] = self._judge(latents, *drawn)
        if not all(map(math.isfinite, sums.values())):
            raise LinkGANError(f"the loss of step {step} is not finite; use a smaller rate than {settings.rate:g}")
        apply_gradients(self._adam, self._weights, gradients)
        self.done += 1
        return sums

    def _batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Return images, their labels, the latents of the first ones, and what pairs of these share."""
        count = self.settings.batch // (2 if self._photographs is not None else 1)
        known, labels = self._draws.latents(count, step, pairs=self._link is not None)
        shared = None
        if self._link is not None:
            half, random = count // 2, self._draws.random(step, 3)
            chosen = torch.randint(len(self._link.blocks), [half], generator=random).to(self._device)
            first, second, shared = self._link.pairs(known[:half], known[half:], chosen)
            known = torch.cat([first, second])
        with torch.no_grad():
            images = self._renderer.images(known, labels)
        if self._photographs is None:
            return images, labels, known, shared
        real, real_labels = self._photographs.real(step)
        return torch.cat([images, real]), torch.cat([labels, real_labels]), known, shared

    def _losses(
        self, images: Tensor, found: Tensor, latents: Tensor, labels: Tensor, known: Tensor, shared: Tensor | None
    ) -> dict[str, Tensor]:
        """Return each loss by the name of its weight; scalars."""
        own, deviation = latents[: len(known)], self.statistics.deviation
        losses = {
            "pixels": (found - images).square().mean(),
            **{name: distance(found, images).mean() for name, distance in self._distances.items()},
            "latent": ((own - known) / deviation).square().mean(),
            "offsets": ((latents - latents[:, :1]) / deviation).square().mean(),
            "adversarial": F.softplus(-self._critic(latents, labels)).mean(),
        }
        if self._link is not None and shared is not None:
            half = len(known) // 2
            losses["link"] = self._link.changes(own[:half], own[half:], shared).mean()
        return losses

    def _judge(self, latents: Tensor, drawn: Tensor, labels: Tensor) -> float:
        """Train the discriminator for one step; return its loss."""
        loss = discriminator_loss(self._critic, drawn[:, :1], latents, labels, _R1)
        apply_gradients(self._critic_adam, self._critic_weights, torch.autograd.grad(loss, self._critic_weights))
        return float(loss.detach())

    def encoder(self, facts: Mapping[str, float] | None = None) -> Encoder:
        """Return the encoder as it is now, which further steps change.

        Args:
            facts: what was measured of it.
        """
        return Encoder(self.network, weights_digest(self.generator), asdict(self.settings), dict(facts or {}))

    def state(self) -> dict[str, Any]:
        """Return the state that a training with the same arguments resumes from: tensors and plain numbers."""
        nets = {"network": self.network.state_dict(), "critic": self._critic.state_dict()}
        return {
            "done": self.done,
            **nets,
            "adam": self._adam.state_dict(),
            "critic_adam": self._critic_adam.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from the result of `state`."""
        self.done = state["done"]
        self.network.load_state_dict(state["network"])
        self._critic.load_state_dict(state["critic"])
        self._adam.load_state_dict(state["adam"])
        self._critic_adam.load_state_dict(state["critic_adam"])


def apply_gradients(adam: torch.optim.Adam, weights: list[nn.Parameter], gradients: Any) -> None:
    """Do one step of Adam with given gradients."""
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient
    adam.step()


def _distances(
    settings: EncoderSettings, lpips: Lpips | None, device: torch.device
) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Return the perceptual distances that have a weight, by its name."""
    if bool(settings.lpips) != (lpips is not None):
        raise LinkGANError(f"a weight of LPIPS of {settings.lpips:g} and {'a' if lpips else 'no'} network for it")
    found: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"pyramid": PyramidDistance(pixel_weight=0.0)}
    if settings.features:
        found["features"] = FeatureDistance(load_efficientnet(device))
    return found | ({"lpips": lpips} if lpips is not None else {})
