"""Images as a differentiable function of latents, noise and weights, with a generator that stays as it is."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..calls.generator import GeneratorCalls
from ..calls.part import unwrap
from .projected import noise_names


class Renderer(nn.Module):
    """Renders latents with a noise of their own each, in float32 also where the network's layers are in half precision.

    Nothing in the generator changes. An image never depends on the others in its batch: generators with randomness
    besides noise (rays) render one by one, each with the same random state as `LinkedGenerator` gives a single image.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.calls = GeneratorCalls.of(generator)
        modules = unwrap(self.calls.synthesis.owner).modules()
        if any("force_fp32" in inspect.signature(module.forward).parameters for module in modules):
            self.calls.settings = {**self.calls.settings, "force_fp32": True}

    def images(
        self,
        latents: Tensor,
        labels: Tensor,
        noise: Mapping[str, Tensor] | None = None,
        weights: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Render N images [N, C, H, W].

        Args:
            latents: [N, num_ws, w_dim].
            labels: [N, c_dim].
            noise: noise buffers by name, [N, 1, R, R] each; the generator's own where not given.
            weights: other entries of its state dict to use instead of its own, the same for all.
        """
        noise, weights = noise or {}, weights or {}
        if self.calls.concatenates:
            return self._rendered({**noise, **weights}, latents, labels)
        rows = [
            self._rendered({**{name: noise[name][row, 0] for name in noise}, **weights}, latents[[row]], labels[[row]])
            for row in range(len(latents))
        ]
        return torch.cat(rows)

    def noise_that_shows(self, latents: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the noise buffers [R, R] that the image of latents [1, num_ws, w_dim] depends on, by name."""
        buffers = dict(self.generator.named_buffers())
        noise = {name: buffers[name].clone() for name in noise_names(self.generator)}
        return self._that_show(noise, latents, labels)

    def weights_that_show(self, latents: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return copies of the parameters that the image of latents depends on: the synthesis network's, by name."""
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

    def _rendered(self, changes: Mapping[str, Tensor], latents: Tensor, labels: Tensor) -> Tensor:
        renamed = {f"generator.{name}": tensor for name, tensor in changes.items()}
        image: Tensor = functional_call(self, renamed, (latents, labels))
        return image

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Render latents with the generator as it is at the moment; called with other tensors by `images`."""
        return self.calls.render_deterministic(latents, labels).image.float()
