"""The latents, labels and photographs of a training as functions of its seed and step, so that it resumes exactly."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.pixels import to_float

from ..calls.generator import GeneratorCalls
from ..errors import LinkGANError
from ..labels import Labels
from .encoder_network import EncoderShape


class Draws:
    """Draws the latents of generated images.

    Args:
        generator: with a space W.
        seed: of the training.
        labels: of generated images; by default random classes.
    """

    def __init__(self, generator: nn.Module, seed: int, labels: Labels | None = None) -> None:
        self._calls, self._seed, self._labels = GeneratorCalls.of(generator), seed, labels
        self._z_dim, self._c_dim = (int(getattr(generator, name, 0)) for name in ("z_dim", "c_dim"))

    @torch.no_grad()
    def latents(self, count: int, step: int, stream: int = 0, pairs: bool = False) -> tuple[Tensor, Tensor]:
        """Return latents [count, num_ws, w_dim] and their labels [count, c_dim], the same at every call.

        Args:
            count: their number.
            step: of the training.
            stream: below 8, one for each purpose.
            pairs: both halves have the same labels.
        """
        z, seeds = self._drawn(count, step, stream)
        labels = (self._classes(seeds) if self._labels is None else self._labels(seeds.tolist())).to(z.device)
        labels = labels[: count // 2].repeat(2, 1) if pairs else labels
        return self._calls.map(z, labels), labels

    @torch.no_grad()
    def of_labels(self, labels: Tensor, step: int, stream: int) -> Tensor:
        """Return latents [N, num_ws, w_dim] of given labels [N, c_dim], drawn as by `latents`."""
        return self._calls.map(self._drawn(len(labels), step, stream)[0], labels)

    def _drawn(self, count: int, step: int, stream: int) -> tuple[Tensor, Tensor]:
        random = self.random(step, stream)
        z = torch.randn([count, self._z_dim], generator=random)
        return z.to(self._calls.device), torch.randint(2**31, [count], generator=random)

    def random(self, step: int, stream: int) -> torch.Generator:
        """Return the random state of a step and a purpose, on the CPU."""
        # One random state per step and purpose: a resumed training gives the same result to the bit.
        return torch.Generator().manual_seed((self._seed * 1_000_003 + step) * 8 + stream & (2**63 - 1))

    def _classes(self, seeds: Tensor) -> Tensor:
        return F.one_hot(seeds % self._c_dim, self._c_dim).float() if self._c_dim else torch.zeros([len(seeds), 0])


def check_data(data: ImageFolderDataset, resolution: int, channels: int, c_dim: int) -> None:
    """Raise LinkGANError unless the photographs have this size, these channels and labels of `c_dim` numbers."""
    if (data.resolution, data.num_channels) != (resolution, channels):
        raise LinkGANError(
            f"{data.path} has images of {data.resolution} pixels and {data.num_channels} channels, expected "
            f"{resolution} and {channels} for this network"
        )
    if data.label_dim != c_dim:
        raise LinkGANError(f"the labels of {data.path} have {data.label_dim} numbers; this network takes {c_dim}")


def photographs_of(data: ImageFolderDataset, shape: EncoderShape, most: int) -> tuple[Tensor, Tensor]:
    """Return the first photographs of a data set, [N, C, R, R] in [-1, 1], and their labels [N, c_dim].

    Args:
        data: with labels, if the network has classes.
        shape: of the encoder.
        most: number of photographs, or all if there are fewer.
    Raises:
        LinkGANError: images of another size, or other labels.
    """
    check_data(data, shape.resolution, shape.channels, shape.c_dim)
    images, labels = data.batch(range(min(most, len(data))))
    return to_float(images), torch.from_numpy(labels)
