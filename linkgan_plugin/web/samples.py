"""Images to draw regions on, from a data set or a network, and their mean."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.pixels import to_float

from ..calls.generator import GeneratorCalls
from ..calls.random_state import SEEDS
from ..errors import LinkGANError
from ..generators import seeded_z
from ..images.pixels import Pixels, check_channels, rgb, to_pixels
from ..labels import Labels, no_labels
from ..networks import Network

SHOWN = 8  # images side by side
MOST_OF_MEAN = 256  # images in a mean: more make no visible difference
_BATCH = 8
_SECONDS = 4.0  # time limit for the mean before the page opens


class Samples(ABC):
    """Images by number; not thread-safe.

    Attributes:
        title: shown on the page.
        size: pixels per side.
    """

    title: str
    size: int

    @abstractmethod
    def numbers(self, shuffle: int) -> list[int]:
        """Return up to `SHOWN` numbers of images, chosen by the seed `shuffle`."""

    @abstractmethod
    def images(self, numbers: Sequence[int]) -> Tensor:
        """Return the images [N, C, H, W], float32, nominally in [-1, 1]; LinkGANError for an unknown number."""

    @abstractmethod
    def of_mean(self) -> list[int]:
        """Return the numbers of the images to average, if time allows."""

    def pixels(self, number: int) -> Pixels:
        """Return one image, uint8 [H, W, 3]."""
        return to_pixels(self.images([number]))[0]

    def mean(self, seconds: float = _SECONDS) -> tuple[Pixels, int]:
        """Return the mean image, uint8 [H, W, 3], and its number of images: as many as `seconds` allow."""
        numbers, total, count = self.of_mean(), torch.zeros([]), 0
        deadline = time.monotonic() + seconds
        with tqdm(total=len(numbers), desc="Mean image", unit="img", delay=2, leave=False) as bar:
            while count < len(numbers) and (count == 0 or time.monotonic() < deadline):
                # Start with one image: a large network may take seconds for each.
                batch = self.images(numbers[count : count + min(count + 1, _BATCH)])
                total = total + rgb(batch).clamp(-1, 1).double().sum(dim=0).cpu()
                count += len(batch)
                bar.update(len(batch))
        return to_pixels((total / count)[None])[0], count


class DataSamples(Samples):
    """Images of a data set; numbers are their indices."""

    def __init__(self, path: Path) -> None:
        self._data = ImageFolderDataset(path)
        self.size = self._data.image_shape[-1]
        self.title = f"{path.name} · {len(self._data)} images of {self.size} x {self.size} pixels"

    def numbers(self, shuffle: int) -> list[int]:
        """Return numbers spread evenly over the data for 0, as in `linkgan regions preview`, else random ones."""
        count = len(self._data)
        if shuffle == 0 or count <= SHOWN:
            return _spread(count, SHOWN)
        return sorted(np.random.RandomState(shuffle).choice(count, SHOWN, replace=False).tolist())

    def images(self, numbers: Sequence[int]) -> Tensor:
        if not all(0 <= number < len(self._data) for number in numbers):
            raise LinkGANError(f"image {max(numbers)}: the data has 0 to {len(self._data) - 1}")
        return to_float(np.stack([self._data[number][0] for number in numbers]))

    def of_mean(self) -> list[int]:
        return _spread(len(self._data), MOST_OF_MEAN)


class NetworkSamples(Samples):
    """Images that a network generates; numbers are seeds, each with its own class or camera.

    Args:
        network: any network, with or without links.
        labels: as returned by `Network.labels`; None for a network without labels.
    """

    def __init__(self, network: Network, labels: Labels | None) -> None:
        self._calls = GeneratorCalls.of(network.generator)
        z_dim = getattr(network.generator, "z_dim", None) or self._calls.dim("z")
        if not isinstance(z_dim, int):
            raise LinkGANError(f"{network.path}: its generator has no attribute z_dim, the size of z")
        self._z_dim = z_dim
        check_channels(int(getattr(network.generator, "img_channels", 3)))
        self._labels = labels or no_labels(0)
        self.size = self.images([0]).shape[-1]
        self.title = f"{network.path.parent.name}/{network.path.name} · {self.size} x {self.size} pixels"

    def numbers(self, shuffle: int) -> list[int]:
        """Return `SHOWN` consecutive seeds, the next ones for each `shuffle`."""
        return [(shuffle * SHOWN + place) % SEEDS for place in range(SHOWN)]

    @torch.no_grad()
    def images(self, numbers: Sequence[int]) -> Tensor:
        device = self._calls.device
        z, labels = seeded_z(numbers, self._z_dim).to(device), self._labels(list(numbers)).to(device)
        return self._calls.render_deterministic(self._calls.map(z, labels), labels).image.float()

    def of_mean(self) -> list[int]:
        return list(range(MOST_OF_MEAN))


def _spread(count: int, most: int) -> list[int]:
    """Return up to `most` of the numbers below `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, most).astype(int)).tolist()
