"""Locality: the share of all change made by the linked axes that lies inside their region."""

from .base import PairBatch, RatioMetric
from .estimate import Array


class Locality(RatioMetric):
    """effect_in_sum / (effect_in_sum + leak_out_sum), sums over pixels and pairs. 1 = no change outside.

    An edit that changes all pixels equally scores the region's share of the image. No value if nothing changes.
    Compare with effect_in: a ratio hides a region that no longer changes.
    """

    key = "locality"
    better = "higher"

    def figures(self, batch: PairBatch) -> tuple[Array, Array]:
        change = batch.linked_change
        return change.inside, change.inside + change.outside
