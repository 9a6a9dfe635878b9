"""Effects: mean squared change per pixel where change is wanted (images in [-1, 1])."""

from .base import MeanMetric, PairBatch, per_pixel
from .estimate import Array


class EffectIn(MeanMetric):
    """Moving the linked axes, inside the region. Near 0 means that the region has collapsed."""

    key = "effect_in"
    better = "higher"

    def figure(self, batch: PairBatch) -> Array:
        return per_pixel(batch.linked_change.inside, batch.area.inside)


class EffectOut(MeanMetric):
    """Moving the unlinked axes, outside the region."""

    key = "effect_out"
    better = "higher"

    def figure(self, batch: PairBatch) -> Array:
        return per_pixel(batch.others_change.outside, batch.area.outside)
