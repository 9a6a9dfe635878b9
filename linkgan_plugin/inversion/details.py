"""`Details`: what an encoder's latents lose of a photograph, brought back into its reconstruction and its edits.

    x^ = G(w'; g, d),    (g, d) = E(ADA(x - G(w), G(w), G(w')))

(HFGI: consultation.py, alignment.py.) w are a photograph's latents and w' those after an edit, or w itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..calls.features import FeatureChange, Features
from ..errors import LinkGANError
from .consultation import DetailsNetwork
from .rendering import Renderer

TRAIN = "train them with `linkgan encoder details`"


@dataclass(frozen=True)
class Details:
    """The networks that bring back details, trained for one generator and one encoder.

    Attributes:
        network: the alignment and the consultation encoder.
        settings: those of their training, plain data.
        facts: what their training measured.
    """

    network: DetailsNetwork
    settings: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)

    def check(self, generator: nn.Module) -> None:
        """Raise LinkGANError unless the generator has the feature maps that these details change."""
        shape = self.network.shape
        found = Features(generator, shape.size)
        if found.channels != shape.features:
            raise LinkGANError(
                f"the details are of {shape.features} feature maps of {shape.size} x {shape.size}, this network has "
                f"{found.channels}; {TRAIN}"
            )

    @torch.no_grad()
    def change(self, distortion: Tensor, before: Tensor, after: Tensor) -> FeatureChange:
        """Return the change of the feature maps, [N, C, s, s] each.

        Args:
            distortion: [N, C, R, R], photographs minus `before`.
            before: [N, C, R, R], their reconstructions without details.
            after: [N, C, R, R], the images after edits, without details.
        """
        found: FeatureChange = self.network(distortion, before, after)
        return found

    @torch.no_grad()
    def reconstruct(self, renderer: Renderer, images: Tensor, labels: Tensor, latents: Tensor) -> Tensor:
        """Return the reconstructions of images with their details, [N, C, R, R].

        Args:
            renderer: of the generator.
            images: [N, C, R, R] in [-1, 1].
            labels: [N, c_dim].
            latents: [N, num_ws, w_dim] that the encoder found.
        """
        before = renderer.images(latents, labels)
        return renderer.images(latents, labels, change=self.change(images - before, before, before))

    @torch.no_grad()
    def edit(self, renderer: Renderer, images: Tensor, labels: Tensor, latents: Tensor, edited: Tensor) -> Tensor:
        """Return edited images with their details, [N, C, R, R].

        Args:
            renderer: of the generator.
            images: [N, C, R, R] in [-1, 1], before the edit.
            labels: [N, c_dim].
            latents: [N, num_ws, w_dim] that the encoder found.
            edited: [N, num_ws, w_dim], the latents after the edit.
        """
        before, after = renderer.images(latents, labels), renderer.images(edited, labels)
        return renderer.images(edited, labels, change=self.change(images - before, before, after))
