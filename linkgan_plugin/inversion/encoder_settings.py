"""Settings of the training of an encoder, and of the details that it loses."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..calls.random_state import check_seed
from ..errors import LinkGANError

LINK_TERM = 0.5  # default weight for networks with links in W
EDIT_TERM = 1.0  # default weight for networks with links in W
_SETTLE = 0.25  # share of the training in which the rate falls to 0
_MOST_PERSPECTIVE = 0.2  # of the image's side: beyond it a square may fold over


class Schedule:
    """The number of steps of a training and its learning rate; subclasses have the fields."""

    kimg: float
    batch: int
    rate: float

    @property
    def steps(self) -> int:
        """The number of steps, at least 1."""
        return max(1, round(1000 * self.kimg / self.batch))

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step; it falls to 0 in the last quarter."""
        return self.rate * min(1.0, (1 - step / self.steps) / _SETTLE)

    def _check(self, above: tuple[str, ...]) -> None:
        """Refuse numbers below 0 or not finite, and 0 for the fields in `above`."""
        for name, value in vars(self).items():
            if value is not None and (not math.isfinite(value) or value < 0 or (name in above and not value)):
                raise LinkGANError(
                    f"{name} is {value}, expected a finite number {'above 0' if name in above else 'from 0 on'}"
                )
        if self.batch < 4 or self.batch % 4:
            raise LinkGANError(f"batch is {self.batch}, expected a multiple of 4: pairs of half the images")


@dataclass(frozen=True)
class EncoderSettings(Schedule):
    """Settings of an encoder's training.

    Attributes:
        kimg: thousands of images shown.
        batch: images per step; with photographs, half of them.
        passes: of ReStyle.
        width: feature maps after the first halving.
        rate: learning rate of Adam.
        pixels: weight of the mean squared error of pixels.
        pyramid: weight of the Laplacian pyramid distance.
        features: weight of the distance on EfficientNet-Lite0's features (ImageNet).
        lpips: weight of LPIPS.
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
    features: float = 0.0
    lpips: float = 0.0
    latent: float = 0.1
    offsets: float = 0.01
    adversarial: float = 0.02
    link: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self._check(above=("kimg", "rate", "passes", "width"))
        check_seed(self.seed)


@dataclass(frozen=True)
class DetailsSettings(Schedule):
    """Settings of the training of details; the generator and the encoder do not change.

    Attributes:
        kimg: thousands of images shown.
        batch: images per step; with photographs, half of them.
        width: feature maps of the first layers.
        size: side of the generator's feature maps that change; None for the largest of at most half the image's side
            and 64.
        rate: learning rate of Adam.
        pixels: weight of the mean squared error of pixels, in reconstructions and in edits.
        pyramid: weight of the Laplacian pyramid distance, in reconstructions and in edits.
        align: weight of the alignment of transformed maps.
        edit: weight of the edit term; 0 for none, which is HFGI.
        alignment: whether there is an alignment; False for maps as they are.
        perspective: how far the corners of a map move at most, as a share of the image's side.
        seed: of all randomness.
    Raises:
        LinkGANError: a value out of range.
    """

    kimg: float = 100.0
    batch: int = 16
    width: int = 16
    size: int | None = None
    rate: float = 1e-3
    pixels: float = 1.0
    pyramid: float = 1.0
    align: float = 1.0
    edit: float = 0.0
    alignment: bool = True
    perspective: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        self._check(above=("kimg", "rate", "width", "size"))
        if self.perspective > _MOST_PERSPECTIVE:
            raise LinkGANError(f"perspective is {self.perspective}, expected at most {_MOST_PERSPECTIVE}")
        check_seed(self.seed)
