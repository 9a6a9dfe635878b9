"""Diversity kept: the share of the region's variety that its own axes control."""

from .base import PairBatch, RatioMetric
from .estimate import Array


class DiversityKept(RatioMetric):
    """Change inside the region by the linked axes / by all axes: sum_i in(linked_i) / sum_i in(donor_i).

    1 = a swap of the block changes the region as much as a swap of all axes.
    Above the value of the renderer (the oracle), the block also controls what belongs to the rest.
    """

    key = "diversity_kept"
    better = "higher"

    def figures(self, batch: PairBatch) -> tuple[Array, Array]:
        return batch.linked_change.inside, batch.full_change.inside
