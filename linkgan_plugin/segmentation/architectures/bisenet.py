"""BiSeNet (Yu et al. 2018) on a ResNet-18, with the names of the public face-parsing weights (19 classes of faces).

As in these, the spatial path is the second stage of the ResNet. The two heads that only training needs are kept,
unused, because the files contain their weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .resnet import BasicBlock, ResNet

_CONTEXT = 128


class BiSeNet(nn.Module):
    """Images [N, 3, H, W] -> logits [N, classes, H, W]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.cp = _ContextPath()
        self.ffm = _Fusion(2 * _CONTEXT)
        self.conv_out = _Head(2 * _CONTEXT, 2 * _CONTEXT, classes)
        self.conv_out16 = _Head(_CONTEXT, _CONTEXT // 2, classes)
        self.conv_out32 = _Head(_CONTEXT, _CONTEXT // 2, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] -> logits [N, K, H, W]."""
        fine, context = self.cp(images)
        logits = self.conv_out(self.ffm(torch.cat([fine, context], dim=1)))
        return F.interpolate(logits, size=images.shape[2:], mode="bilinear", align_corners=True)


class _Convolution(nn.Module):
    """Convolution, batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Refinement(nn.Module):
    """Attention refinement: channel weights from the mean of the features over the image."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = _Convolution(inputs, _CONTEXT, 3)
        self.conv_atten = nn.Conv2d(_CONTEXT, _CONTEXT, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(_CONTEXT)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * torch.sigmoid(self.bn_atten(self.conv_atten(_mean(x))))


class _ContextPath(nn.Module):
    """Images -> features of the second stage [N, 128, h, w] and the context of the deeper ones, of the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet(BasicBlock, (2, 2, 2, 2))
        self.arm16, self.arm32 = _Refinement(256), _Refinement(512)
        self.conv_head32 = _Convolution(_CONTEXT, _CONTEXT, 3)
        self.conv_head16 = _Convolution(_CONTEXT, _CONTEXT, 3)
        self.conv_avg = _Convolution(512, _CONTEXT, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        second, third, fourth = self.resnet(images)
        context = self.arm32(fourth) + self.conv_avg(_mean(fourth))
        context = self.conv_head32(F.interpolate(context, size=third.shape[2:], mode="nearest"))
        context = self.arm16(third) + context
        return second, self.conv_head16(F.interpolate(context, size=second.shape[2:], mode="nearest"))


class _Fusion(nn.Module):
    """Feature fusion: channels of both paths, weighted by their means over the image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convblk = _Convolution(width, width, 1)
        self.conv1 = nn.Conv2d(width, width // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(width // 4, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convblk(x)
        return x + x * torch.sigmoid(self.conv2(F.relu(self.conv1(_mean(x)))))


class _Head(nn.Module):
    """Features -> logits, by a 3 x 3 and a 1 x 1 convolution."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.conv = _Convolution(inputs, width, 3)
        self.conv_out = nn.Conv2d(width, classes, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.conv_out(self.conv(x))
        return logits


def _mean(x: Tensor) -> Tensor:
    return x.mean(dim=(2, 3), keepdim=True)
