"""Photographs that a network was not trained on: some to invert, the others to measure quality against."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.pixels import to_float

from ..calls.generator import GeneratorCalls
from ..errors import LinkGANError
from ..inversion.draws import check_data
from ..inversion.projected import latent_shape
from ..metrics.ssim import WINDOW

LEAST = 4  # photographs and references, for a distance with a standard error
_BATCH = 128


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Photographs in a fixed random order: the first are inverted, those after them are the references of quality.

    Attributes:
        data: the photographs, with labels if the network has classes.
        count: how many are inverted.
        most: references at most.
    """

    data: ImageFolderDataset
    count: int
    most: int = 1000

    @classmethod
    def opened(cls, path: Path, generator: nn.Module, count: int, most: int = 1000) -> HeldOut:
        """Open the photographs for a network.

        Args:
            path: zip or folder.
            generator: the network.
            count: photographs to invert; all, if there are fewer.
            most: references of quality at most.
        Raises:
            LinkGANError: a network with a camera or without W, or photographs that do not fit it.
        """
        if GeneratorCalls.of(generator).takes_camera:
            raise LinkGANError(
                "this network renders through a camera; bench photographs compares inversions into 2D networks. "
                "Invert photographs of known cameras with linkgan project --camera"
            )
        latent_shape(generator)  # refuses networks without W
        c_dim = int(getattr(generator, "c_dim", 0))
        data = ImageFolderDataset(path, use_labels=c_dim > 0)
        size, channels = (int(getattr(generator, name)) for name in ("img_resolution", "img_channels"))
        check_data(data, size, channels, c_dim)
        if size < WINDOW:
            raise LinkGANError(f"images of {size} pixels; SSIM needs at least {WINDOW}")
        if len(data) < LEAST:
            raise LinkGANError(f"{path} has {len(data)} photographs, expected at least {LEAST}")
        return cls(data, min(count, len(data)), most)

    @cached_property
    def _order(self) -> np.ndarray:
        return np.random.default_rng(0).permutation(len(self.data))

    @cached_property
    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        return self.data.batch(self._order[: self.count])

    @property
    def images(self) -> Tensor:
        """The photographs to invert, float32 [N, C, R, R] in [-1, 1]."""
        return to_float(self._read[0])

    @property
    def labels(self) -> Tensor:
        """Their labels, float32 [N, c_dim]."""
        return torch.from_numpy(self._read[1])

    @property
    def names(self) -> list[str]:
        """Their names: the place of each in the data, as six digits."""
        return [f"{row:06d}" for row in self._order[: self.count]]

    @cached_property
    def digests(self) -> list[str]:
        """SHA-256 of the pixels of each."""
        return [hashlib.sha256(image.tobytes()).hexdigest() for image in self._read[0]]

    def __len__(self) -> int:
        return self.count

    def image(self, index: int) -> Tensor:
        """Return one photograph, [1, C, R, R] in [-1, 1]."""
        return to_float(self._read[0][index : index + 1])

    def label(self, index: int) -> Tensor:
        """Return its label, [1, c_dim]."""
        return torch.from_numpy(self._read[1][index : index + 1])

    @property
    def apart(self) -> bool:
        """Whether enough photographs are left as references; otherwise the inverted ones are among them."""
        return len(self.data) - self.count >= self.count

    def references(self) -> Iterator[Tensor]:
        """Yield the references, [M, C, R, R] in [-1, 1] a batch."""
        rows = (self._order[self.count :] if self.apart else self._order)[: self.most]
        for some in np.array_split(rows, -(-len(rows) // _BATCH)):
            yield to_float(self.data.batch(some)[0])

    def described(self) -> dict[str, Any]:
        """Return what the photographs are, JSON-able."""
        pixels = hashlib.sha256("".join(self.digests).encode()).hexdigest()
        return {"images": pixels, "of": len(self.data), "references": self.most}
