"""Images for measures of quality: seeds of generated ones, batches of the data's; and networks that give features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from torch import Tensor

from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.pixels import to_float

# Seeds of the images that quality is measured on; apart from those of the pairs.
FIRST_SEED = 1 << 24
_BATCH = 128


class FeatureNetwork(Protocol):
    """A network whose features images are compared by."""

    def features(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] in [-1, 1] -> features [N, F], what it sees before it decides."""


def real_images(dataset: ImageFolderDataset, images: int) -> Iterator[Tensor]:
    """Yield batches of the data's images, [N, C, H, W] in [-1, 1], at most `images`, in a fixed random order."""
    order = np.random.default_rng(0).permutation(len(dataset))[:images]
    for rows in np.array_split(order, max(1, len(order) // _BATCH)):
        pixels, _ = dataset.batch(rows)
        yield to_float(pixels)
