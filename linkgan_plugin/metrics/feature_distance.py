"""A perceptual distance on EfficientNet-Lite0's features, normalised at every position, without learned weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .efficientnet import EfficientNetLite0

_BATCH = 32


class FeatureDistance:
    """``d(x, y) = mean_s mean_p || f_sp(x) - f_sp(y) ||^2``, f_sp the unit vector of the features at position p.

    s are the seven stages of the network. This is Zhang et al. 2018, Eq. 1, with equal weights; it is not LPIPS, whose
    weights are learned. In [0, 4], 0 for equal images.

    Args:
        network: with its ImageNet weights, see `load_efficientnet`.
    """

    def __init__(self, network: EfficientNetLite0) -> None:
        self._network = network

    def __call__(self, images: Tensor, others: Tensor) -> Tensor:
        """Return the distances [N] of images [N, 1 or 3, H, W] in [-1, 1] and others; differentiable."""
        pairs = zip(images.split(_BATCH), others.split(_BATCH), strict=True)
        return torch.cat([self._between(*pair) for pair in pairs])

    def _between(self, images: Tensor, others: Tensor) -> Tensor:
        stages = zip(self._network.stages(images), self._network.stages(others), strict=True)
        parts = [
            (normalize(one, dim=1) - normalize(other, dim=1)).square().sum(dim=1).mean(dim=(1, 2))
            for one, other in stages
        ]
        return torch.stack(parts).mean(dim=0)
