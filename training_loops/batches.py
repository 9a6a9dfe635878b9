"""The inputs of each training step: real images, latents and labels as a pure function of (seed, step).

The stream has no state, so a resumed run needs no data position, and processes that split a batch together use exactly
the samples of a single process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from training_loops.devices import sent
from training_loops.errors import OptionError
from training_loops.formats.pixels import to_float

_LATENTS, _EPOCH = 1, 2  # random streams that must differ


class BatchStream:
    """The share of each batch that belongs to `rank`: samples ``[rank * n, (rank + 1) * n)``, where n is
    ``batch_size // num_gpus``.

    `dataset` has ``len``, ``label_dim`` and ``batch(indices) -> (uint8 [n, C, H, W], float32 [n, label_dim])``.
    """

    def __init__(
        self, dataset: Any, *, batch_size: int, seed: int, device: torch.device, rank: int = 0, num_gpus: int = 1
    ) -> None:
        if len(dataset) == 0:
            raise OptionError("the training set is empty")
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.device = device
        share = batch_size // num_gpus
        self._share = slice(rank * share, (rank + 1) * share)
        self._epoch: tuple[int, np.ndarray] | None = None

    def indices(self, step: int) -> np.ndarray:
        """Return the dataset indices [batch_size] of the whole batch: every epoch visits each image once."""
        size = len(self.dataset)
        # Image p of the run is the (p mod size)-th of its epoch's order; a batch may end one epoch and begin the next.
        positions = step * self.batch_size + np.arange(self.batch_size, dtype=np.int64)
        return np.array([self._permutation(int(p // size))[p % size] for p in positions], dtype=np.int64)

    def _permutation(self, epoch: int) -> np.ndarray:
        if self._epoch is None or self._epoch[0] != epoch:
            order = np.random.default_rng([self.seed, _EPOCH, epoch]).permutation(len(self.dataset))
            self._epoch = (epoch, order)
        return self._epoch[1]

    def real(self, step: int) -> tuple[Tensor, Tensor]:
        """Return images [n, C, H, W] in [-1, 1] and labels [n, label_dim] on the device."""
        images, labels = self.dataset.batch(self.indices(step)[self._share])
        shown, named = torch.as_tensor(images), torch.as_tensor(labels, dtype=torch.float32)
        return to_float(sent(shown, self.device)), sent(named, self.device)

    def own_indices(self, step: int) -> Tensor:
        """Return the dataset indices int64 [n] of the images of `real`, on the device."""
        return sent(torch.from_numpy(self.indices(step)[self._share]), self.device)

    def latents(self, step: int, *, phases: int, z_dim: int) -> tuple[Tensor, Tensor]:
        """Return latents [phases, n, z_dim] and labels [phases, n, label_dim] of random images for each phase."""
        rng = np.random.default_rng([self.seed, _LATENTS, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        # All ranks draw the whole batch and keep their share: the latents do not depend on the number of processes.
        z = torch.randn([phases, self.batch_size, z_dim], generator=generator)[:, self._share]
        label_dim = self.dataset.label_dim
        if label_dim == 0:
            return sent(z, self.device), torch.zeros([*z.shape[:2], 0], device=self.device)
        picks = rng.integers(len(self.dataset), size=[phases, self.batch_size])[:, self._share]
        labels = torch.from_numpy(labels_of(self.dataset, picks.ravel())).reshape(*z.shape[:2], label_dim)
        return sent(z, self.device), sent(labels, self.device)


def labels_of(dataset: Any, indices: np.ndarray) -> np.ndarray:
    """Return float32 labels [n, label_dim], without decoding images if the dataset has ``get_label`` or
    ``get_labels``.
    """
    if hasattr(dataset, "get_labels"):
        return np.asarray(dataset.get_labels(indices), dtype=np.float32)
    if hasattr(dataset, "get_label"):
        return np.stack([np.asarray(dataset.get_label(int(i)), dtype=np.float32) for i in indices])
    _images, labels = dataset.batch(indices)
    return np.asarray(labels, dtype=np.float32)
