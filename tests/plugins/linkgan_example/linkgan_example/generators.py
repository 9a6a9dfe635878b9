"""The generator wrapper `gray`: edits by region, shown without colour."""

from __future__ import annotations

from torch import Tensor

from linkgan_plugin.generators import LinkedGenerator


class GrayGenerator(LinkedGenerator):
    """A LinkedGenerator whose images have the same value in every channel."""

    def render(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Render latents to images [N, C, H, W], each channel the mean of all."""
        images = super().render(latents, labels)
        return images.mean(dim=1, keepdim=True).expand_as(images)
