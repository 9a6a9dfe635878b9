"""A small U-Net for segmentation of small images, trained by `linkgan segment train`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """Two convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()]
        super().__init__(*layers)


class SmallUNet(nn.Module):
    """Images [N, 3, H, W] in [-1, 1] -> logits [N, classes, H, W].

    Args:
        classes: number of classes.
        width: channels at full resolution, doubled at each of the `depth` downsamplings.
    """

    def __init__(self, classes: int, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        self.arguments = {"classes": classes, "width": width, "depth": depth}
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(ConvBlock(i, o) for i, o in zip([3, *widths], widths, strict=False))
        levels = range(depth - 1, -1, -1)
        self.up = nn.ModuleList(ConvBlock(widths[level] + widths[level + 1], widths[level]) for level in levels)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] of any size -> logits [N, K, H, W]."""
        x = images
        kept: list[Tensor] = []
        for block in self.down:
            if len(kept) > 0:
                x = F.avg_pool2d(x, 2, ceil_mode=True)
            x = block(x)
            kept.append(x)
        for step, block in enumerate(self.up):
            side = kept[len(kept) - 2 - step]
            x = F.interpolate(x, size=side.shape[-2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([side, x], dim=1))
        logits: Tensor = self.head(x)
        return logits
