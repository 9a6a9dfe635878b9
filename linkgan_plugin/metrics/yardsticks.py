"""Quality measures: which features or patches, and which distance, compare generated images with the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import LinkGANError
from .estimate import Estimate
from .frechet import frechet_distance
from .kernel import kernel_distance
from .paired import Replicates, frechet_replicates, kernel_replicates, patch_replicates
from .quality import FeatureNetwork
from .swd import sliced_wasserstein

KINDS = ("auto", "attributes", "patches", "imagenet", "fid", "kid")
KERNEL, FRECHET = "kernel", "frechet"
_CLASSIFIER_TEXT = "Frechet distance of the attribute classifier's features (not FID)"
_PATCHES_TEXT = "sliced Wasserstein distance of Laplacian pyramid patches (not FID)"
_KERNEL_TEXT = "kernel distance (KID's formula) of EfficientNet-Lite0's ImageNet features"
_FID_TEXT, _KID_TEXT = "FID by torch-fidelity's Inception", "KID by torch-fidelity's Inception"


@dataclass(frozen=True)
class Yardstick:
    """One quality measure.

    Attributes:
        text: description for output.
        network: network for features; None = patches of the images.
        first: KERNEL or FRECHET, the distance that is reported as quality.
        both: also measure the other distance, as for ImageNet and Inception features.
    """

    text: str
    network: FeatureNetwork | None
    first: str = FRECHET
    both: bool = False

    def seen(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] in [-1, 1] -> what is compared, on the CPU: features [N, F], or the images."""
        return (self.network.features(images) if self.network is not None else images).cpu()

    def distance(self, real: Tensor, fake: Tensor) -> dict[str, Estimate]:
        """Compare two sets of what `seen` returns.

        Args:
            real: [N, ...] of the data.
            fake: [M, ...] of generated images.
        Returns:
            "" -> the quality; "_frechet" or "_kernel" -> the other distance, if both are measured.
        """
        if self.network is None:
            count = min(len(real), len(fake))
            patches = float(np.mean(sliced_wasserstein(real[:count], fake[:count])))
            return {"": Estimate(patches, None, count)}
        names = [self.first, *({KERNEL, FRECHET} - {self.first} if self.both else ())]
        found = {name: _DISTANCES[name](real, fake) for name in names}
        return {"" if name == self.first else f"_{name}": estimate for name, estimate in found.items()}

    def replicates(self, real: Tensor, fake: Tensor, value: float) -> Replicates:
        """Return the quality of parts of two sets of what `seen` returns.

        Args:
            real: [N, ...] of the data.
            fake: [M, ...] of generated images.
            value: their quality.
        """
        if self.network is None:
            count = min(len(real), len(fake))
            return patch_replicates(real[:count], fake[:count], value)
        return _REPLICATES[self.first](real, fake, value)


def yardstick(kind: str, classifier: FeatureNetwork | None, device: torch.device | str = "cpu") -> Yardstick:
    """Return the yardstick with a name in KINDS.

    Args:
        kind: "auto" is the attribute classifier if the data has one, else patches.
        classifier: attribute classifier of the data, or None.
        device: device for computing features.
    Raises:
        LinkGANError: an unknown kind, attributes of data without a classifier, or a package that is not installed.
    """
    if kind not in KINDS:
        raise LinkGANError(f"quality kind {kind!r}; expected one of: {', '.join(KINDS)}")
    if kind == "attributes" and classifier is None:
        raise LinkGANError("quality by attributes needs procedural data; choose another --quality-kind")
    if kind == "imagenet":
        from .efficientnet import load_efficientnet

        return Yardstick(_KERNEL_TEXT, load_efficientnet(device), KERNEL, both=True)
    if kind in ("fid", "kid"):
        from .inception import load_inception

        network = load_inception(device)
        return Yardstick(*((_FID_TEXT, network, FRECHET) if kind == "fid" else (_KID_TEXT, network, KERNEL)), both=True)
    if kind == "patches" or classifier is None:
        return Yardstick(_PATCHES_TEXT, None)
    return Yardstick(_CLASSIFIER_TEXT, classifier)


def _frechet(real: Tensor, fake: Tensor) -> Estimate:
    return Estimate(frechet_distance(real, fake), None, len(fake))


_DISTANCES: dict[str, Callable[[Tensor, Tensor], Estimate]] = {FRECHET: _frechet, KERNEL: kernel_distance}
_REPLICATES: dict[str, Callable[[Tensor, Tensor, float], Replicates]] = {
    FRECHET: frechet_replicates,
    KERNEL: kernel_replicates,
}
