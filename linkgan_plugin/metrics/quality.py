"""Inputs of quality metrics: seeds of generated images, batches of the data, and feature networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from torch import Tensor

from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.pixels import to_float

# First seed of the images for quality; different from the seeds of pairs.
FIRST_SEED = 1 << 24
_BATCH = 128


class FeatureNetwork(Protocol):
    """A network whose features are used to compare images."""

    def features(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] in [-1, 1] -> features [N, F], the input of its last layer."""


def real_images(dataset: ImageFolderDataset, images: int) -> Iterator[Tensor]:
    """Yield batches of the data's images, [N, C, H, W] in [-1, 1], at most `images`, in a fixed random order."""
    order = np.random.default_rng(0).permutation(len(dataset))[:images]
    for rows in np.array_split(order, max(1, len(order) // _BATCH)):
        pixels, _ = dataset.batch(rows)
        yield to_float(pixels)
