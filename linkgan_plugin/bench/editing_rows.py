"""The editors that `linkgan bench editors` compares: directions of every method, links, and links without training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..directions.directions import Directions
from ..directions.find import moved_image
from ..generators import LinkedGenerator

AXES, BASIS, LINK = "axes", "basis", "link"
MEANING = {
    AXES: "resample as many plain axes as the link has, the network untrained for it: the baseline",
    BASIS: "resample the axes of a link without training, in a basis found for it (linkgan link)",
    LINK: "resample the axes of a trained link: LinkGAN",
}
_DONORS = 8
_DONOR_SEED = 1 << 23


@dataclass(frozen=True)
class AlongDirections:
    """Edits along directions, each in both ways."""

    generator: LinkedGenerator
    directions: Directions
    amounts: tuple[float, ...] = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)

    @property
    def count(self) -> int:
        """Directions times two."""
        return 2 * len(self.directions)

    def images(self, number: int, amount: float, latents: Tensor, labels: Tensor) -> Tensor:
        """Return latents [N, L, D] with labels [N, c_dim], moved: images [N, C, H, W]."""
        index, sign = number // 2, 1 - 2 * (number % 2)
        return moved_image(self.generator, self.directions, index, sign * amount, latents, labels)


@dataclass(frozen=True)
class Resampled:
    """Edits that move a link's axes towards those of other samples.

    Attributes:
        generator: the network with the link.
        name: of the link.
        amounts: shares of the way; 1 is the other sample's region, more exaggerates.
    """

    generator: LinkedGenerator
    name: str
    amounts: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
    count: int = _DONORS

    def images(self, number: int, amount: float, latents: Tensor, labels: Tensor) -> Tensor:
        """Return latents [N, L, D] with labels [N, c_dim], part of the way to donors: images [N, C, H, W]."""
        first = _DONOR_SEED + number * len(latents)
        donors = self.generator.draw(range(first, first + len(latents)), labels)
        target = torch.lerp(latents, donors, amount)
        return self.generator.render(self.generator.replace(latents, target, self.generator.block(self.name)), labels)
