"""Quality proxies: distances of generated images to the data. Neither is FID."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.pixels import to_float

from ..generators import LinkedGenerator
from .frechet import FeatureStats, frechet_distance
from .swd import sliced_wasserstein

# First seed of the images for quality; different from the seeds of pairs.
FIRST_SEED = 1 << 24
_BATCH = 128


class FeatureNetwork(Protocol):
    """A network whose features are used to compare images."""

    def features(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] in [-1, 1] -> features [N, F], the input of its last layer."""


@dataclass(frozen=True)
class Quality:
    """A distance to the data, lower is better; comparable only for the same data, `kind` and number of images.

    Attributes:
        value: 0 or more.
        kind: CLASSIFIER or SWD.
        images: number of generated images.
    """

    CLASSIFIER: ClassVar[str] = "Frechet distance of the attribute classifier's features (not FID)"
    SWD: ClassVar[str] = "sliced Wasserstein distance of Laplacian pyramid patches (not FID)"

    value: float
    kind: str
    images: int


def measure_quality(
    generator: LinkedGenerator, dataset: ImageFolderDataset, classifier: FeatureNetwork | None, *, images: int
) -> Quality:
    """Measure with the classifier if the data has one, else with patches.

    Args:
        generator: the network.
        dataset: its data.
        classifier: the attribute classifier of the data, or None.
        images: number of generated images, and the most that are read from the data.
    Raises:
        LinkGANError: fewer than 2 images for a classifier, images of another shape than the data's, or not finite.
    """
    if classifier is not None:
        return classifier_quality(generator, dataset, classifier, images=images)
    return patch_quality(generator, dataset, images=images)


def classifier_quality(
    generator: LinkedGenerator, dataset: ImageFolderDataset, classifier: FeatureNetwork, *, images: int
) -> Quality:
    """Frechet distance between the classifier's features of generated images and of the data."""
    real, fake = FeatureStats(), FeatureStats()
    for batch in real_images(dataset, images):
        real.append(classifier.features(batch))
    for batch in _generated(generator, images):
        fake.append(classifier.features(batch))
    return Quality(frechet_distance(real, fake), Quality.CLASSIFIER, images)


def patch_quality(generator: LinkedGenerator, dataset: ImageFolderDataset, *, images: int) -> Quality:
    """Sliced Wasserstein distance, mean over the pyramid's levels; needs no trained network."""
    count = min(images, len(dataset))
    real = torch.cat(list(real_images(dataset, count)))
    fake = torch.cat(list(_generated(generator, count))).cpu()
    return Quality(float(np.mean(sliced_wasserstein(real, fake))), Quality.SWD, count)


@torch.no_grad()
def _generated(generator: LinkedGenerator, images: int) -> Iterator[Tensor]:
    for start in range(0, images, _BATCH):
        stop = min(start + _BATCH, images)
        yield generator.sample(range(FIRST_SEED + start, FIRST_SEED + stop)).images.clamp(-1, 1)


def real_images(dataset: ImageFolderDataset, images: int) -> Iterator[Tensor]:
    """Yield batches of the data's images, [N, C, H, W] in [-1, 1], at most `images`, in a fixed random order."""
    order = np.random.default_rng(0).permutation(len(dataset))[:images]
    for rows in np.array_split(order, max(1, len(order) // _BATCH)):
        pixels, _ = dataset.batch(rows)
        yield to_float(pixels)
