"""Leaks: mean squared change per pixel where nothing should change (images in [-1, 1]), and its ratio to the effect.

With mask m in [0, 1] and edit e of original o:  sum_p (1 - m_p) mean_c (e_pc - o_pc)^2 / sum_p (1 - m_p), mean over
pairs; inside the region, 1 - m is replaced by m. In [0, 4] for images in [-1, 1].
"""

from .base import MeanMetric, PairBatch, RatioMetric, per_pixel
from .estimate import Array


class LeakOut(MeanMetric):
    """Change outside the region when the linked axes are perturbed (Eq. 4). 0 if the region covers the whole image."""

    key = "leak_out"
    better = "lower"

    def figure(self, batch: PairBatch) -> Array:
        return per_pixel(batch.linked_change.outside, batch.area.outside)


class LeakIn(MeanMetric):
    """Change inside the region when the unlinked axes are perturbed (Eq. 3)."""

    key = "leak_in"
    better = "lower"

    def figure(self, batch: PairBatch) -> Array:
        return per_pixel(batch.others_change.inside, batch.area.inside)


class LeakRatio(RatioMetric):
    """leak_out / effect_in: 0 = no leak, 1 = equal change inside and outside; no value if the region is constant."""

    key = "leak_ratio"
    better = "lower"

    def figures(self, batch: PairBatch) -> tuple[Array, Array]:
        return (
            per_pixel(batch.linked_change.outside, batch.area.outside),
            per_pixel(batch.linked_change.inside, batch.area.inside),
        )
