"""Trains the details of an encoder: the generator and the encoder do not change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from training_loops.batches import BatchStream
from training_loops.formats.folder import ImageFolderDataset

from ..calls.features import feature_sites
from ..calls.random_state import own_random_state
from ..errors import LinkGANError
from ..labels import Labels
from ..links import LinkSpec
from .consultation import DetailsNetwork, DetailsShape
from .details import Details
from .details_losses import EditTerm, distances
from .draws import Draws, check_data
from .encoder import Encoder
from .encoder_settings import DetailsSettings
from .encoder_training import apply_gradients
from .perspective import random_perspectives, warped
from .rendering import Renderer

_LARGEST = 64  # side of the feature maps that change, unless asked for
_SAMPLES = 256  # images that measure their deviation
_MEASURE, _LABELS, _PERSPECTIVE = 2, 4, 5  # random streams


class _Batch(NamedTuple):
    images: Tensor  # [N, C, R, R]
    labels: Tensor  # [N, c_dim]
    known: Tensor  # [K, num_ws, w_dim], the latents of the first K
    found: Tensor  # [N, num_ws, w_dim], the encoder's
    before: Tensor  # [N, C, R, R], the images of these


class DetailsTraining:
    """The training of details, step by step; every step is a function of the seed, the step and the state.

    Args:
        generator: the encoder's.
        encoder: finished; other details that it has are replaced.
        settings: of the training.
        data: photographs of the network's size; None trains on generated images alone.
        spec: links in W, for the edit term.
        labels: of generated images; by default random classes.
    Attributes:
        generator: as given.
        settings: as given.
        network: the networks, as they are now.
        spec: as given.
        done: finished steps.
    Raises:
        LinkGANError: another network's encoder, data of another size, feature maps that the network does not have, or
            an edit term without links in W.
    """

    def __init__(
        self,
        generator: nn.Module,
        encoder: Encoder,
        settings: DetailsSettings,
        *,
        data: ImageFolderDataset | None = None,
        spec: LinkSpec | None = None,
        labels: Labels | None = None,
    ) -> None:
        self._encoder = replace(encoder, details=None)
        self._encoder.check(generator)
        self.generator, self.settings, self.spec, self.done = generator, settings, spec, 0
        self._renderer, self._draws = Renderer(generator), Draws(generator, settings.seed, labels)
        self._edits = EditTerm(self._renderer, self._draws, spec) if settings.edit else None
        sizes, device = encoder.network.shape, self._renderer.calls.device
        self._photographs = None
        if data is not None:
            check_data(data, sizes.resolution, sizes.channels, sizes.c_dim)
            self._photographs = BatchStream(data, batch_size=settings.batch // 2, seed=settings.seed, device=device)
        with own_random_state(device, settings.seed):
            self.network = DetailsNetwork(self._shape()).to(device)
        self.network.consultation.deviation.copy_(self._deviation())
        self._weights = list(self.network.parameters())
        self._adam = torch.optim.Adam(self._weights, lr=settings.rate)

    def _shape(self) -> DetailsShape:
        sizes, settings = self._encoder.network.shape, self.settings
        size = settings.size or default_size(self.generator, sizes.resolution)
        return DetailsShape(
            resolution=sizes.resolution,
            channels=sizes.channels,
            size=size,
            features=self._renderer.features(size).channels,
            width=settings.width,
            aligned=int(settings.alignment),
            before=int(self._edits is not None),
        )

    @torch.no_grad()
    def _deviation(self) -> Tensor:
        """Return the root mean square of each channel of the feature maps about its mean, [C], above 0."""
        features = self._renderer.features(self.network.shape.size)
        latents, labels = self._draws.latents(_SAMPLES, -1, _MEASURE)
        sums = torch.zeros([2, features.channels], dtype=torch.float64, device=latents.device)
        for some, label in zip(latents.split(1), labels.split(1), strict=True):
            maps = features.read(lambda w=some, c=label: self._renderer.images(w, c)).double()  # type: ignore[misc]
            sums += torch.stack([maps.mean(dim=(0, 2, 3)), maps.square().mean(dim=(0, 2, 3))]) / _SAMPLES
        found = (sums[1] - sums[0].square()).clamp_min(0).sqrt()
        return found.clamp_min(max(1e-6, 1e-3 * float(found.square().mean().sqrt()))).float()

    def labels(self, count: int) -> Tensor:
        """Return labels of generated images, [count, c_dim], the same at every call."""
        return self._draws.latents(count, 0, _LABELS)[1]

    def advance(self) -> dict[str, float]:
        """Do one step.

        Returns:
            The losses before it, without their weights.
        Raises:
            LinkGANError: the loss is not finite.
        """
        step, settings = self.done, self.settings
        self._adam.param_groups[0]["lr"] = settings.rate_at(step)
        batch = self._batch(step)
        with torch.enable_grad():
            losses = self._losses(batch)
            total = sum(getattr(settings, name) * loss for name, loss in losses.items())
            assert isinstance(total, Tensor)
            gradients = torch.autograd.grad(total, self._weights)
        found = {name: float(loss.detach()) for name, loss in losses.items()}
        if not all(map(math.isfinite, found.values())):
            raise LinkGANError(f"the loss of step {step} is not finite; use a smaller rate than {settings.rate:g}")
        apply_gradients(self._adam, self._weights, gradients)
        self.done += 1
        return found

    @torch.no_grad()
    def _batch(self, step: int) -> _Batch:
        """Return generated images and photographs, and what the encoder finds."""
        count = self.settings.batch // (2 if self._photographs is not None else 1)
        known, labels = self._draws.latents(count, step)
        images = self._renderer.images(known, labels)
        if self._photographs is not None:
            real, real_labels = self._photographs.real(step)
            images, labels = torch.cat([images, real]), torch.cat([labels, real_labels])
        encoder = self._encoder
        found = encoder.refine(self._renderer, images, labels, encoder.start(len(images)), encoder.passes)
        return _Batch(images, labels, known, found, self._renderer.images(found, labels))

    def _losses(self, batch: _Batch) -> dict[str, Tensor]:
        """Return each loss by the name of its weight; scalars."""
        # D = x - x_0; |ADA(tau D, tau x_0, x_0) - D|_1; x^ = G(w; E(ADA(tau D, tau x_0, x_0)))
        network, before = self.network, batch.before
        distortion = batch.images - before
        losses: dict[str, Tensor] = {}
        aligned = distortion
        if network.alignment is not None:
            random = self._draws.random(self.done, _PERSPECTIVE)
            tau = random_perspectives(len(before), self.settings.perspective, random)
            aligned = network.align(warped(distortion, tau), warped(before, tau), before)
            losses["align"] = (aligned - distortion).abs().mean()
        found = self._renderer.images(batch.found, batch.labels, change=network.consultation(aligned))
        losses["pixels"], losses["pyramid"] = distances(found, batch.images)
        if self._edits is not None:
            losses["edit"] = self._edit_loss(batch, distortion, self._edits)
        return losses

    def _edit_loss(self, batch: _Batch, distortion: Tensor, edits: EditTerm) -> Tensor:
        """Return the weighted distances of edited images from what they must be: a scalar."""
        edited = edits.edited(self.done, batch.images, batch.labels, batch.found, batch.before, batch.known)
        change = self.network(distortion, batch.before, edited.images)
        found = self._renderer.images(edited.latents, batch.labels, change=change)
        pixels, pyramid = distances(found, edited.wanted, edited.asked)
        return self.settings.pixels * pixels + self.settings.pyramid * pyramid

    def encoder(self, facts: Mapping[str, float] | None = None) -> Encoder:
        """Return the encoder with the details as they are now, which further steps change.

        Args:
            facts: what was measured of the details.
        """
        return replace(self._encoder, details=Details(self.network, asdict(self.settings), dict(facts or {})))

    def state(self) -> dict[str, Any]:
        """Return the state that a training with the same arguments resumes from: tensors and plain numbers."""
        return {"done": self.done, "network": self.network.state_dict(), "adam": self._adam.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from the result of `state`."""
        self.done = state["done"]
        self.network.load_state_dict(state["network"])
        self._adam.load_state_dict(state["adam"])


def default_size(generator: nn.Module, resolution: int) -> int:
    """Return the side of the feature maps that change by default.

    Args:
        generator: any 2D network.
        resolution: side of its images.
    Returns:
        The largest that it has of at most half the image's side and 64; the smallest if all are larger.
    Raises:
        LinkGANError: a network without feature maps that can be changed.
    """
    sizes = [site.size for site in feature_sites(generator)]
    if not sizes:
        raise LinkGANError(
            f"{type(generator).__name__} has no feature maps that can be changed, so it takes no details"
        )
    return max((size for size in sizes if size <= min(_LARGEST, resolution // 2)), default=min(sizes))
