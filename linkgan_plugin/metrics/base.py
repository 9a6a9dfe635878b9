"""Base classes of region metrics: a metric processes batches of edited pairs and returns an estimate.

A metric is a class with a stable `key`, registered in the entry-point group ``linkgan.metrics``; one instance measures
one link. Most need only values per pair and derive from `MeanMetric` or `RatioMetric`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ..change import split_change
from .estimate import Array, Estimate, mean, ratio


@dataclass(frozen=True)
class AttributeReadings:
    """Predicted attributes of the images in a `PairBatch`, and which of them belong to the region.

    Attributes:
        original: float64 [N, A], nominally in [0, 1], as are the others.
        linked: [N, A].
        others: [N, A].
        donor: [N, A].
        owned: bool [A].
    """

    original: Array
    linked: Array
    others: Array
    donor: Array
    owned: np.ndarray


@dataclass(frozen=True)
class Change:
    """Squared change of images, split by a region.

    Attributes:
        inside: float64 [N], sum over pixels of mask x mean over channels of the squared difference.
        outside: float64 [N], the same of 1 - mask.
    """

    inside: Array
    outside: Array


@dataclass(frozen=True)
class DepthViews:
    """Depths and second views of N pairs, from 3D-aware generators.

    Attributes:
        original: depth of the originals, float32 [N, 1, h, w], distances from the camera in world units.
        linked: depth of the edits [N, 1, h, w].
        mask: [N, 1, h, w] in [0, 1], the region at the resolution of the depth.
        labels: cameras [N, c_dim].
        other_labels: other cameras [N, c_dim].
        other_image: the edits rendered from the other cameras, [N, C, H, W].
        other_linked: depth of `other_image`, [N, 1, h, w].
    """

    original: Tensor
    linked: Tensor
    mask: Tensor
    labels: Tensor
    other_labels: Tensor
    other_image: Tensor
    other_linked: Tensor

    def rows(self, rows: Tensor) -> DepthViews:
        """Return the views of `rows` (bool [N])."""
        return DepthViews(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class PairBatch:
    """N images and their edits by one link; all images are [N, C, H, W] in [-1, 1], with the same noise.

    Attributes:
        original: images of N seeds.
        donor: images of N other seeds.
        linked: the link's axes taken from the donor.
        others: every other axis taken from the donor.
        mask: [N, 1, H, W] float32 in [0, 1], the region in `original`; never empty.
        readings: the predicted attributes, for data that has an attribute classifier, else None.
        depth_views: depths and other views, from 3D-aware generators, else None.
    """

    original: Tensor
    donor: Tensor
    linked: Tensor
    others: Tensor
    mask: Tensor
    readings: AttributeReadings | None = None
    depth_views: DepthViews | None = None

    def change(self, edited: Tensor) -> Change:
        """Return the change from `original` to `edited` [N, C, H, W], split by the region."""
        # inside = sum_p m_p mean_c (e_pc - o_pc)^2,  outside = sum_p (1 - m_p) mean_c (e_pc - o_pc)^2
        # float32 is precise enough for a pixel, but not for a sum over a million pixels.
        inside, outside = split_change(self.original, edited, self.mask, sums=torch.float64)
        channels = self.original.shape[1]
        return Change((inside / channels).cpu().numpy(), (outside / channels).cpu().numpy())

    @cached_property
    def area(self) -> Change:
        """Number of pixels inside and outside the region: sum_p m_p and sum_p (1 - m_p)."""
        inside = self.mask.flatten(1).double().sum(dim=1).cpu().numpy()
        return Change(inside, self.mask[0].numel() - inside)

    @cached_property
    def linked_change(self) -> Change:
        """The change when the link's axes are perturbed."""
        return self.change(self.linked)

    @cached_property
    def others_change(self) -> Change:
        """The change when all other axes are perturbed."""
        return self.change(self.others)

    @cached_property
    def full_change(self) -> Change:
        """The change when all axes are perturbed: the difference to the donor."""
        return self.change(self.donor)


class Metric(ABC):
    """Base of all region metrics.

    Attributes:
        key: name in the results.
        better: whether higher or lower values are better.
        needs_attributes: computed only for data with an attribute classifier.
        needs_depth: computed only for 3D-aware generators.
    """

    key: ClassVar[str]
    better: ClassVar[Literal["higher", "lower"]]
    needs_attributes: ClassVar[bool] = False
    needs_depth: ClassVar[bool] = False

    @abstractmethod
    def update(self, batch: PairBatch) -> None:
        """Add N pairs."""

    @abstractmethod
    def result(self) -> Estimate:
        """Return the estimate over all pairs so far."""

    def join(self, other: Metric) -> None:
        """Add the pairs of another process: every list is extended by the other's.

        Metrics that store anything but lists must override this.

        Raises:
            TypeError: an attribute is not a list, which is a bug of the metric.
        """
        for name, value in vars(other).items():
            if not isinstance(value, list):
                raise TypeError(
                    f"{type(self).__name__}.{name} is not a list; override join() to measure on several GPUs"
                )
            getattr(self, name).extend(value)


class MeanMetric(Metric):
    """The mean over pairs of one value: 1/n sum_i f_i."""

    def __init__(self) -> None:
        self._figures: list[Array] = []

    @abstractmethod
    def figure(self, batch: PairBatch) -> Array:
        """Return the value of each pair, float64 [N]."""

    def update(self, batch: PairBatch) -> None:
        self._figures.append(self.figure(batch))

    def result(self) -> Estimate:
        return mean(joined(self._figures))


class RatioMetric(Metric):
    """The ratio of the means over pairs of two values: sum_i t_i / sum_i b_i.

    This is not the mean of the pairs' ratios, which pairs with little change would dominate.
    """

    def __init__(self) -> None:
        self._tops: list[Array] = []
        self._bottoms: list[Array] = []

    @abstractmethod
    def figures(self, batch: PairBatch) -> tuple[Array, Array]:
        """Return numerator and denominator of each pair, float64 [N] each."""

    def update(self, batch: PairBatch) -> None:
        top, bottom = self.figures(batch)
        self._tops.append(top)
        self._bottoms.append(bottom)

    def result(self) -> Estimate:
        return ratio(joined(self._tops), joined(self._bottoms))


def joined(parts: Sequence[Array]) -> Array:
    """Concatenate arrays along their first axis; an empty list gives [0]."""
    return np.concatenate(parts) if parts else np.zeros([0])


def per_pixel(change: Array, area: Array) -> Array:
    """Sums over pixels [N] -> means over pixels [N]; 0 where there are no pixels."""
    return np.divide(change, area, out=np.zeros_like(change), where=area > 0)


def select(batch: PairBatch, rows: Tensor) -> PairBatch:
    """Return the `rows` (bool [N]) of a batch."""
    if bool(rows.all()):
        return batch
    keep = rows.cpu().numpy()
    reading = batch.readings
    if reading is not None:
        reading = AttributeReadings(
            reading.original[keep], reading.linked[keep], reading.others[keep], reading.donor[keep], reading.owned
        )
    return PairBatch(
        original=batch.original[rows],
        donor=batch.donor[rows],
        linked=batch.linked[rows],
        others=batch.others[rows],
        mask=batch.mask[rows],
        readings=reading,
        depth_views=None if batch.depth_views is None else batch.depth_views.rows(rows),
    )


def as_figures(readings: Tensor) -> Array:
    """Return an attribute classifier's output [N, A] as float64 on the CPU."""
    return readings.detach().to("cpu", torch.float64).numpy()
