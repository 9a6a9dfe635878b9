"""Ownership: which image's attributes a region has after an edit, as predicted by an independent network.

The regularizer optimises locality and leaks but not these metrics, so they are an independent check.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from ..errors import LinkGANError
from .base import AttributeReadings, Metric, PairBatch, joined
from .estimate import Array, Estimate, correlation


class CorrelationMetric(Metric):
    """The mean correlation, over some attributes, between the predictions for two images of each pair.

    1/A' sum_k r_k, where r_k is Pearson's over pairs; -1 to 1, no value if no attribute is selected.
    """

    better = "higher"
    needs_attributes = True

    def __init__(self) -> None:
        self._first: list[Array] = []
        self._second: list[Array] = []

    @abstractmethod
    def readings(self, readings: AttributeReadings) -> tuple[Array, Array]:
        """Return the two predictions [N, A'] to correlate."""

    def update(self, batch: PairBatch) -> None:
        """Add N pairs. Raises LinkGANError for pairs without readings."""
        if batch.readings is None:
            raise LinkGANError(f"{self.key} needs data with an attribute classifier, such as the procedural faces")
        first, second = self.readings(batch.readings)
        self._first.append(first)
        self._second.append(second)

    def result(self) -> Estimate:
        if not self._first:
            return correlation(np.zeros([0, 0]), np.zeros([0, 0]))
        return correlation(joined(self._first), joined(self._second))


class Transfer(CorrelationMetric):
    """Whether the region gets the donor's attributes when its block is taken from the donor."""

    key = "transfer"

    def readings(self, readings: AttributeReadings) -> tuple[Array, Array]:
        return readings.linked[:, readings.owned], readings.donor[:, readings.owned]


class OtherKept(CorrelationMetric):
    """Whether all other attributes are kept when the region's block is taken from the donor."""

    key = "other_kept"

    def readings(self, readings: AttributeReadings) -> tuple[Array, Array]:
        return readings.linked[:, ~readings.owned], readings.original[:, ~readings.owned]


class RestKeeps(CorrelationMetric):
    """Whether the region's attributes are kept when all axes but its block are taken from the donor."""

    key = "rest_keeps"

    def readings(self, readings: AttributeReadings) -> tuple[Array, Array]:
        return readings.others[:, readings.owned], readings.original[:, readings.owned]
