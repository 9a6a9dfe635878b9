"""Labels of seeds: which class or camera goes with which latent, drawn from a data set as hosts draw them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .errors import LinkGANError

Labels = Callable[[Sequence[int]], Tensor]


class LabelledData(Protocol):
    """A data set in the hosts' format."""

    def __len__(self) -> int: ...

    def get_label(self, index: int) -> np.ndarray:
        """Index -> float32 [c_dim]."""


def labels_from(data: LabelledData, c_dim: int) -> Labels:
    """Return labels that pick, for every seed, the label of one image of the data.

    Raises:
        LinkGANError: the data's labels are not `c_dim` numbers each.
    """
    found = int(np.size(data.get_label(0)))
    if found != c_dim:
        raise LinkGANError(f"the data's labels have {found} numbers; this network takes {c_dim}")

    def labels(seeds: Sequence[int]) -> Tensor:
        rows = [data.get_label(int(np.random.RandomState(seed % 2**32).randint(len(data)))) for seed in seeds]
        return torch.from_numpy(np.stack(rows)).to(torch.float32)

    return labels


def constant_labels(label: Tensor) -> Labels:
    """Return labels that give every seed the same one."""
    row = label.detach().to("cpu", torch.float32).reshape(1, -1)
    return lambda seeds: row.expand(len(seeds), -1)


def no_labels(c_dim: int, *, camera: bool = False) -> Labels:
    """Return all-zero labels, which class-conditional hosts take for "no class".

    Args:
        c_dim: numbers of a label. camera: whether the network is told by them where its camera is.

    Raises:
        LinkGANError: when asked for a camera, which zeros are not.
    """

    def labels(seeds: Sequence[int]) -> Tensor:
        if camera:
            raise LinkGANError("this network renders through a camera; give data that has camera labels with --data")
        return torch.zeros([len(seeds), c_dim])

    return labels
