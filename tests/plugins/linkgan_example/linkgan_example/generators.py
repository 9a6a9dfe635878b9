"""The generator wrapper `gray`: edits by region, shown without colour."""

from __future__ import annotations

from torch import Tensor

from linkgan_plugin.calls.rendering import Rendering
from linkgan_plugin.generators import LinkedGenerator


class GrayGenerator(LinkedGenerator):
    """A LinkedGenerator whose images have the same value in every channel."""

    def rendering(self, latents: Tensor, labels: Tensor | None = None) -> Rendering:
        """Render latents to images [N, C, H, W], each channel the mean of all."""
        rendering = super().rendering(latents, labels)
        return rendering._replace(image=rendering.image.mean(dim=1, keepdim=True).expand_as(rendering.image))
