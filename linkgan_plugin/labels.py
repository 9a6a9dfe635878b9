"""Labels of seeds: which class or camera goes with which latent, drawn from a data set as hosts draw them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class _Constant:
    """One label [1, c_dim] for every seed."""

    row: Tensor

    def __call__(self, seeds: Sequence[int]) -> Tensor:
        return self.row.expand(len(seeds), -1)


def constant_labels(label: Tensor) -> Labels:
    """Return labels that give every seed the same one."""
    return _Constant(label.detach().to("cpu", torch.float32).reshape(1, -1))


def fixed_label(labels: Labels | None) -> Tensor | None:
    """Return the one label [1, c_dim] that `constant_labels` gives every seed, None for labels that differ."""
    return labels.row if isinstance(labels, _Constant) else None


def class_label(number: int, c_dim: int) -> Tensor:
    """Return the label [1, c_dim] of a class.

    Raises:
        LinkGANError: the network has no such class.
    """
    if not 0 <= number < c_dim:
        raise LinkGANError(f"class {number}: {f'this network has 0 to {c_dim - 1}' if c_dim else 'it has no classes'}")
    return torch.eye(c_dim)[[number]]


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
