"""Settings of the training of an encoder."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from ..calls.random_state import check_seed
from ..errors import LinkGANError

LINK_TERM = 0.5  # default weight for networks with links in W


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of an encoder's training.

    Attributes:
        kimg: thousands of images shown.
        batch: images per step; with photographs, half of them.
        passes: of ReStyle.
        width: feature maps after the first halving.
        rate: learning rate of Adam.
        pixels: weight of the mean squared error of pixels.
        pyramid: weight of the Laplacian pyramid distance.
        latent: weight of the squared distance from known latents, in deviations.
        offsets: weight of |Delta|^2, in deviations.
        adversarial: weight of the latent discriminator.
        link: weight of the link term; 0 for none.
        seed: of all randomness.
    Raises:
        LinkGANError: a value out of range.
    """

    kimg: float = 100.0
    batch: int = 16
    passes: int = 3
    width: int = 32
    rate: float = 1e-3
    pixels: float = 1.0
    pyramid: float = 1.0
    latent: float = 0.1
    offsets: float = 0.01
    adversarial: float = 0.02
    link: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            above = name in ("kimg", "rate", "passes", "width")
            if not math.isfinite(value) or value < 0 or (above and not value):
                raise LinkGANError(f"{name} is {value}, expected a finite number {'above 0' if above else 'from 0 on'}")
        if self.batch < 4 or self.batch % 4:
            raise LinkGANError(f"batch is {self.batch}, expected a multiple of 4: pairs of half the images")
        check_seed(self.seed)

    @property
    def steps(self) -> int:
        """The number of steps, at least 1."""
        return max(1, round(1000 * self.kimg / self.batch))
