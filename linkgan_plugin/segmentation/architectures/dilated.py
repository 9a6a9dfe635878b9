"""FCN (Long et al. 2015) and DeepLabV3 (Chen et al. 2017) on dilated ResNets, with the names of torchvision's weights.

Names and shapes match torchvision's, so that its weights can be loaded; its auxiliary classifier is omitted.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .resnet import Bottleneck, ResNet

_COUNTS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_FEATURES = 2048
_RATES = (12, 24, 36)
_WIDTH = 256


class DilatedNetwork(nn.Module):
    """Images [N, 3, H, W] -> logits [N, classes, H, W]: an encoder at an eighth of the size, and a head on it."""

    def __init__(self, backbone: ResNet, classifier: nn.Module) -> None:
        super().__init__()
        self.backbone, self.classifier = backbone, classifier

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] -> logits [N, K, H, W]."""
        logits = self.classifier(self.backbone(images)[2])
        return F.interpolate(logits, size=images.shape[2:], mode="bilinear", align_corners=False)


def fcn(layers: int, classes: int) -> DilatedNetwork:
    """Return FCN on a ResNet of 50 or 101 layers."""
    width = _FEATURES // 4
    head = nn.Sequential(*_convolution(_FEATURES, width, 3), nn.Dropout(0.1), nn.Conv2d(width, classes, 1))
    return DilatedNetwork(_encoder(layers), head)


def deeplabv3(layers: int, classes: int) -> DilatedNetwork:
    """Return DeepLabV3 on a ResNet of 50 or 101 layers."""
    head = nn.Sequential(_Pyramid(), *_convolution(_WIDTH, _WIDTH, 3), nn.Conv2d(_WIDTH, classes, 1))
    return DilatedNetwork(_encoder(layers), head)


class _Pyramid(nn.Module):
    """Atrous spatial pyramid pooling: 1 x 1 convolution, three dilations and image pooling, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        views = [nn.Sequential(*_convolution(_FEATURES, _WIDTH, 1))]
        views += [nn.Sequential(*_convolution(_FEATURES, _WIDTH, 3, rate)) for rate in _RATES]
        views.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), *_convolution(_FEATURES, _WIDTH, 1)))
        self.convs = nn.ModuleList(views)
        self.project = nn.Sequential(*_convolution(_WIDTH * len(views), _WIDTH, 1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        found = [view(x) for view in self.convs]
        found[-1] = found[-1].expand(-1, -1, *x.shape[2:])
        result: Tensor = self.project(torch.cat(found, dim=1))
        return result


def _encoder(layers: int) -> ResNet:
    return ResNet(Bottleneck, _COUNTS[layers], dilated=True)


def _convolution(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
