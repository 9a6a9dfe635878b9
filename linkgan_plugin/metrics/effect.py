"""Effects: mean squared change per pixel where change is wanted (images in [-1, 1]).

With mask m in [0, 1] and edit e of original o:  sum_p m_p mean_c (e_pc - o_pc)^2 / sum_p m_p, mean over pairs;
outside the region, m is replaced by 1 - m. In [0, 4] for images in [-1, 1].
"""

from .base import MeanMetric, PairBatch, per_pixel
from .estimate import Array


class EffectIn(MeanMetric):
    """Change inside the region when the linked axes are perturbed. Near 0 if the region has collapsed."""

    key = "effect_in"
    better = "higher"

    def figure(self, batch: PairBatch) -> Array:
        return per_pixel(batch.linked_change.inside, batch.area.inside)


class EffectOut(MeanMetric):
    """Change outside the region when the unlinked axes are perturbed. 0 if the region covers the whole image."""

    key = "effect_out"
    better = "higher"

    def figure(self, batch: PairBatch) -> Array:
        return per_pixel(batch.others_change.outside, batch.area.outside)
