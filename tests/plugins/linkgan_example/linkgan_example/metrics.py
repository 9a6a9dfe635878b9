"""The region metric `spill`: how much of the image outside a region changes visibly."""

from __future__ import annotations

import numpy as np

from linkgan_plugin.metrics.base import MeanMetric, PairBatch

VISIBLE = 0.1  # of the range [-1, 1]


class Spill(MeanMetric):
    """Share of the pixels outside the region whose largest channel change exceeds VISIBLE when the link moves."""

    key = "spill"
    better = "lower"

    def figure(self, batch: PairBatch) -> np.ndarray:
        """Return the share of each pair, float64 [N]."""
        visible = (batch.linked - batch.original).abs().amax(dim=1, keepdim=True) > VISIBLE
        outside = 1 - batch.mask.double()
        share = (visible * outside).sum(dim=[1, 2, 3]) / outside.sum(dim=[1, 2, 3]).clamp(min=1)
        return share.cpu().numpy()
