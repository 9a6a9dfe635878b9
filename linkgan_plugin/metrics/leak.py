"""Leaks: mean squared change per pixel where nothing should change (images in [-1, 1]), and its ratio to the effect.

With mask m in [0, 1] and edit e of original o:  sum_p (1 - m_p) mean_c (e_pc - o_pc)^2 / sum_p (1 - m_p), mean over
pairs; inside the region m takes the place of 1 - m. 0 to 4 for images within [-1, 1].
"""

from .base import MeanMetric, PairBatch, RatioMetric, per_pixel
from .estimate import Array


class LeakOut(MeanMetric):
    """Moving the linked axes, outside the region (the paper's Eq. 4, measured). 0 for a region without an outside."""

    key = "leak_out"
    better = "lower"

    def figure(self, batch: PairBatch) -> Array:
        return per_pixel(batch.linked_change.outside, batch.area.outside)


class LeakIn(MeanMetric):
    """Moving the unlinked axes, inside the region (the paper's Eq. 3, measured)."""

    key = "leak_in"
    better = "lower"

    def figure(self, batch: PairBatch) -> Array:
        return per_pixel(batch.others_change.inside, batch.area.inside)


class LeakRatio(RatioMetric):
    """leak_out / effect_in: 0 = nothing leaks, 1 = an edit is no stronger inside; no value for a dead region."""

    key = "leak_ratio"
    better = "lower"

    def figures(self, batch: PairBatch) -> tuple[Array, Array]:
        return (
            per_pixel(batch.linked_change.outside, batch.area.outside),
            per_pixel(batch.linked_change.inside, batch.area.inside),
        )
