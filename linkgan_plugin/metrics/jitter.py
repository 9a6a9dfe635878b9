"""Temporal jitter: how differently an edited video changes from frame to frame than its source.

With source frames x_t, edited frames y_t in [0, 255] and weights m_t = max(M_t, M_{t+1}) of the pixels that count,

    J = sum_t sum m_t |(y_{t+1} - y_t) - (x_{t+1} - x_t)| / sum_t sum m_t

per colour: the mean absolute form of dtSSD (Erofeev et al. 2015), which compares changes over time of a result and its
reference. It needs no optical flow, whose errors would count as jitter; what is the same in every frame is none of it,
however large, and so is the source's own motion. Independent noise of deviation s in every frame gives 2 s / sqrt(pi).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..images.pixels import rgb


class Jitter:
    """Sums J over a video, frame by frame, inside and outside a region that may move."""

    def __init__(self) -> None:
        self._last: tuple[Tensor, Tensor] | None = None
        self._sums = torch.zeros(2, 2, dtype=torch.float64)  # (inside, outside) x (change, weight)

    def add(self, source: Tensor, edited: Tensor, mask: Tensor) -> None:
        """Add the next frame.

        Args:
            source: [1, C, H, W] in [-1, 1]; values beyond are clipped, as in image files.
            edited: like `source`.
            mask: [H, W] in [0, 1], the region M_t.
        """
        # (y_{t+1} - x_{t+1}) - (y_t - x_t) is the same number as in the equation
        change = 127.5 * (rgb(edited).clamp(-1, 1).double() - rgb(source).clamp(-1, 1).double())
        mask = mask.double()
        if self._last is not None:
            before, region = self._last[0], torch.maximum(mask, self._last[1])
            moved = (change - before).abs().mean(dim=(0, 1))
            for row, weights in enumerate((region, 1 - region)):
                self._sums[row] += torch.stack([(weights * moved).sum(), weights.sum()]).cpu()
        self._last = change, mask

    def figures(self) -> dict[str, float | None]:
        """Return J as ``inside`` and ``outside``; None where there is no pixel, or no second frame."""
        found = zip(("inside", "outside"), self._sums.tolist(), strict=True)
        return {name: round(total / weight, 4) if weight > 0 else None for name, (total, weight) in found}
