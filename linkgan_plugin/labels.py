"""Labels of seeds: the class or camera of each latent, drawn from a data set as in the hosts."""

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
    """Return labels that are, for every seed, the label of a random image of the data.

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
    """Return labels that are `label` [1, c_dim] or [c_dim] for every seed."""
    return _Constant(label.detach().to("cpu", torch.float32).reshape(1, -1))


def fixed_label(labels: Labels | None) -> Tensor | None:
    """Return the label [1, c_dim] of `constant_labels`, None for labels that differ between seeds."""
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
    """Return all-zero labels, which class-conditional hosts read as "no class".

    Args:
        c_dim: number of entries of a label.
        camera: whether the network's labels are cameras.

    Raises:
        LinkGANError: when called, if labels are cameras: zeros are not a camera.
    """

    def labels(seeds: Sequence[int]) -> Tensor:
        if camera:
            raise LinkGANError("this network needs cameras; give data that has camera labels with --data")
        return torch.zeros([len(seeds), c_dim])

    return labels
