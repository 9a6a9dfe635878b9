"""The generator wrapper `gray`: edits by region, shown without colour."""

from __future__ import annotations

from torch import Tensor

from linkgan_plugin.calls.generator import Picture
from linkgan_plugin.generators import LinkedGenerator


class GrayGenerator(LinkedGenerator):
    """A LinkedGenerator whose images have the same value in every channel."""

    def picture(self, latents: Tensor, labels: Tensor | None = None) -> Picture:
        """Render latents to images [N, C, H, W], each channel the mean of all."""
        picture = super().picture(latents, labels)
        return picture._replace(image=picture.image.mean(dim=1, keepdim=True).expand_as(picture.image))
