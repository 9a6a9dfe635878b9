"""Residual networks (He et al. 2016) as encoders: feature maps of the last three stages, with the usual names."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

_STEM = 64


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, width, H / stride, W / stride]."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Module):
    """Convolutions of 1 x 1, 3 x 3 (with the stride) and 1 x 1, with a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, 4 * width, H / stride, W / stride]."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet(nn.Module):
    """Images [N, 3, H, W] -> the feature maps of stages 2, 3 and 4.

    Args:
        block: BasicBlock or Bottleneck.
        counts: blocks of the four stages.
        dilated: keep stages 3 and 4 at an eighth of the size, with dilations of 2 and 4 instead of strides.
    """

    def __init__(self, block: type[BasicBlock | Bottleneck], counts: Sequence[int], dilated: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _STEM, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM)
        inputs, dilation = _STEM, 1
        for stage, count in enumerate(counts):
            width, stride, before = _STEM * 2**stage, 1 if stage == 0 else 2, dilation
            if dilated and stage >= 2:
                dilation, stride = dilation * 2, 1
            # The first block of a stage has the dilation of the previous stage.
            blocks: list[nn.Module] = [block(inputs, width, stride, before)]
            inputs = width * block.expansion
            blocks += [block(inputs, width, 1, dilation) for _ in range(count - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images [N, 3, H, W] -> features at 1/8, 1/16 and 1/32 of the size; at 1/8 all three where dilated."""
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        first, second, third, fourth = self._stages()
        fine = second(first(x))
        middle = third(fine)
        return fine, middle, fourth(middle)

    def _stages(self) -> list[nn.Module]:
        return [self.get_submodule(f"layer{stage}") for stage in range(1, 5)]


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
