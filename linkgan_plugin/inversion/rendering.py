"""Images as a differentiable function of latents, noise and weights; the generator itself is unchanged."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..calls.features import FeatureChange, Features
from ..calls.generator import GeneratorCalls
from ..calls.part import unwrap
from .projected import noise_names


class Renderer(nn.Module):
    """Renders latents, each with its own noise, in float32 even if layers of the network use half precision.

    Nothing in the generator changes. An image never depends on the others in its batch: generators with other
    randomness than noise (rays) render one by one, each with the random state of a single image in `LinkedGenerator`.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.calls = GeneratorCalls.of(generator)
        modules = unwrap(self.calls.synthesis.owner).modules()
        if any("force_fp32" in inspect.signature(module.forward).parameters for module in modules):
            self.calls.settings = {**self.calls.settings, "force_fp32": True}
        self._features: dict[int, Features] = {}

    def features(self, size: int) -> Features:
        """Return the generator's feature maps of a size (see `calls.features`)."""
        if size not in self._features:
            self._features[size] = Features(self.generator, size)
        return self._features[size]

    def images(
        self,
        latents: Tensor,
        labels: Tensor,
        noise: Mapping[str, Tensor] | None = None,
        weights: Mapping[str, Tensor] | None = None,
        change: FeatureChange | None = None,
    ) -> Tensor:
        """Render N images [N, C, H, W].

        Args:
            latents: [N, num_ws, w_dim].
            labels: [N, c_dim].
            noise: noise buffers by name, [N, 1, R, R] each; the generator's own by default.
            weights: entries that replace those of the generator's state dict, the same for all images.
            change: [N, C, s, s], of the feature maps; None changes nothing.
        """
        noise, weights = noise or {}, weights or {}
        if self.calls.concatenates:
            return self._rendered({**noise, **weights}, latents, labels, change)
        rows = [
            self._rendered(
                {**{name: noise[name][row, 0] for name in noise}, **weights},
                latents[[row]],
                labels[[row]],
                None if change is None else change.row(row),
            )
            for row in range(len(latents))
        ]
        return torch.cat(rows)

    def noise_that_shows(self, latents: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the noise buffers [R, R] that the image of latents [1, num_ws, w_dim] depends on, by name."""
        buffers = dict(self.generator.named_buffers())
        noise = {name: buffers[name].clone() for name in noise_names(self.generator)}
        return self._that_show(noise, latents, labels)

    def weights_that_show(self, latents: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return copies of the parameters that an image depends on (the synthesis network's), by name.

        Args:
            latents: [1, num_ws, w_dim].
            labels: [1, c_dim].
        Returns:
            Tensors of the same shapes as the parameters.
        """
        weights = {name: parameter.detach().clone() for name, parameter in self.generator.named_parameters()}
        return self._that_show(weights, latents, labels)

    def _that_show(self, tensors: dict[str, Tensor], latents: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if not tensors:
            return {}
        leaves = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
        with torch.enable_grad():
            total = self._rendered(leaves, latents.detach(), labels).sum()
        if not total.requires_grad:
            return {}
        gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
        found = zip(leaves, gradients, strict=True)
        return {name: tensors[name].detach() for name, gradient in found if gradient is not None}

    def _rendered(
        self,
        changes: Mapping[str, Tensor],
        latents: Tensor,
        labels: Tensor,
        change: FeatureChange | None = None,
    ) -> Tensor:
        renamed = {f"generator.{name}": tensor for name, tensor in changes.items()}
        with nullcontext() if change is None else self.features(change.detail.shape[-1]).changed(change):
            image: Tensor = functional_call(self, renamed, (latents, labels))
        return image

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Render latents [N, num_ws, w_dim] with labels [N, c_dim] to [N, C, H, W]; `images` replaces the tensors."""
        return self.calls.render_deterministic(latents, labels).image.float()
