"""Effects: mean squared change per pixel where change is wanted (images in [-1, 1]).

With mask m in [0, 1] and edit e of original o:  sum_p m_p mean_c (e_pc - o_pc)^2 / sum_p m_p, mean over pairs;
outside the region 1 - m takes the place of m. 0 to 4 for images within [-1, 1].
"""

from .base import MeanMetric, PairBatch, per_pixel
from .estimate import Array


class EffectIn(MeanMetric):
    """Moving the linked axes, inside the region. Near 0 means that the region has collapsed."""

    key = "effect_in"
    better = "higher"

    def figure(self, batch: PairBatch) -> Array:
        return per_pixel(batch.linked_change.inside, batch.area.inside)


class EffectOut(MeanMetric):
    """Moving the unlinked axes, outside the region. 0 for a region without an outside."""

    key = "effect_out"
    better = "higher"

    def figure(self, batch: PairBatch) -> Array:
        return per_pixel(batch.others_change.outside, batch.area.outside)
