"""Locality: the share of all change made by the linked axes that lies inside their region."""

from .base import PairBatch, RatioMetric
from .estimate import Array


class Locality(RatioMetric):
    """effect_in_sum / (effect_in_sum + leak_out_sum), sums over pixels and pairs. 1 = nothing outside moves.

    An edit that changes all pixels alike scores the region's share of the image. No value where nothing changes.
    Read it beside effect_in: a ratio hides a region that no longer moves.
    """

    key = "locality"
    better = "higher"

    def figures(self, batch: PairBatch) -> tuple[Array, Array]:
        change = batch.linked_change
        return change.inside, change.inside + change.outside
