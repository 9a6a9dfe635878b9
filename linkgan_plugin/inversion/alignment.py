"""The adaptive distortion alignment (ADA, Wang et al. 2022, section 3.3): a distortion map to one that fits an edit.

    D~ = m * D + A,    m = 2 sigmoid(M),    (M, A)(D, y, x_0),    D = x - x_0

x is a photograph, x_0 = G(w) its reconstruction and y = G(w') the image after an edit of w. M and A are the outputs of
a small encoder-decoder whose last layer starts at zero, so that a new one is the identity: m keeps or drops details
where they are, and A adds those that move. HFGI's network sees D and y; with `before` it sees x_0 too,
and the difference from y is where the edit was.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LEAK = 0.2
_DEPTH = 3  # halvings, at most
_LEAST = 4  # side of the smallest maps


class AlignmentNetwork(nn.Module):
    """D~ of the module's equation: nothing mixes images of a batch.

    Args:
        channels: of the images.
        resolution: side of the images.
        width: feature maps at the images' size; every halving doubles them.
        before: whether it sees x_0.
    """

    def __init__(self, channels: int, resolution: int, width: int, before: bool) -> None:
        super().__init__()
        depth = max(0, min(_DEPTH, int(math.log2(max(1, resolution // _LEAST)))))
        widths = [width * 2**k for k in range(depth + 1)]
        self.before = before
        self.first = nn.Conv2d(channels * (3 if before else 2), width, 3, padding=1)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.inner = nn.Conv2d(widths[-1], widths[-1], 3, padding=1)
        self.up = nn.ModuleList(nn.Conv2d(a + b, a, 3, padding=1) for a, b in reversed(pairs))
        self.last = nn.Conv2d(width, 2 * channels, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, distortion: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Return the aligned map D~, [N, C, R, R].

        Args:
            distortion: [N, C, R, R], D.
            before: [N, C, R, R], x_0.
            after: [N, C, R, R], y.
        """
        seen = [distortion, after, *([before] if self.before else [])]
        maps = F.leaky_relu(self.first(torch.cat(seen, dim=1)), _LEAK)
        skips = []
        for down in self.down:
            skips.append(maps)
            maps = F.leaky_relu(down(maps), _LEAK)
        maps = F.leaky_relu(self.inner(maps), _LEAK)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            larger = F.interpolate(maps, size=skip.shape[2:], mode="bilinear", align_corners=False)
            maps = F.leaky_relu(up(torch.cat([skip, larger], dim=1)), _LEAK)
        kept, moved = self.last(maps).chunk(2, dim=1)
        aligned: Tensor = 2 * torch.sigmoid(kept) * distortion + moved
        return aligned
