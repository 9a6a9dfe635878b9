"""The distortion consultation (HFGI, Wang et al. 2022, section 3.2): a distortion map to what a generator is told.

    F <- g * F + d,    g = 2 sigmoid(E_g(D~)),    d = sigma E_d(D~)

F are the feature maps of the generator at one resolution (`calls.features`), sigma the deviation of each of their
channels and D~ the aligned distortion map (alignment.py). The last layers of E start at zero: g = 1 and d = 0, so that
a new network changes nothing, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.formats.json_text import fields_of

from ..calls.features import FeatureChange
from ..errors import LinkGANError
from .alignment import AlignmentNetwork

_LEAK = 0.2
_WIDEST = 8
_GAIN = math.sqrt(0.5)
_RANGES = {
    "resolution": (4, 4096),
    "channels": (1, 4),
    "size": (1, 4096),
    "features": (1, 4096),
    "width": (1, 256),
    "aligned": (0, 1),
    "before": (0, 1),
}


@dataclass(frozen=True)
class DetailsShape:
    """The numbers that define the networks of details.

    Attributes:
        resolution: R, side of the images in pixels.
        channels: of the images.
        size: s, side of the generator's feature maps that change.
        features: C, their channels.
        width: feature maps of the first layers; every halving doubles them, up to 8 times as many.
        aligned: 1 with the alignment, 0 without.
        before: 1 if the alignment sees the reconstruction too, 0 for HFGI's.
    Raises:
        LinkGANError: a number out of range.
    """

    resolution: int
    channels: int
    size: int
    features: int
    width: int = 32
    aligned: int = 1
    before: int = 1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least, most = _RANGES[name]
            if not least <= value <= most:
                raise LinkGANError(f"details of {name} {value}, expected {least} to {most}")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DetailsShape:
        """Return the shape in untrusted plain data.

        Raises:
            LinkGANError: a number is missing, unknown, or out of range.
        """
        return cls(**fields_of(data, "the architecture of details", {field.name: int for field in fields(cls)}))

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature maps of the consultation encoder at R, R / 2, ... down to about s."""
        halvings = max(0, round(math.log2(self.resolution / self.size)))
        return tuple(self.width * min(2**k, _WIDEST) for k in range(halvings + 1))


class ConsultationEncoder(nn.Module):
    """E of the module's equation: nothing mixes images of a batch.

    Args:
        shape: its numbers.
    Attributes:
        deviation: [C], sigma of each channel of the generator's maps.
    """

    deviation: Tensor

    def __init__(self, shape: DetailsShape) -> None:
        super().__init__()
        self.size, widths = shape.size, shape.widths
        self.first = nn.Conv2d(shape.channels, widths[0], 3, padding=1)
        pairs = pairwise(widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairs)
        self.refine = nn.ModuleList(nn.Conv2d(widths[-1], widths[-1], 3, padding=1) for _ in range(2))
        self.gate = nn.Conv2d(widths[-1], shape.features, 3, padding=1)
        self.detail = nn.Conv2d(widths[-1], shape.features, 3, padding=1)
        self.register_buffer("deviation", torch.ones(shape.features))
        for head in (self.gate, self.detail):
            nn.init.zeros_(head.weight)
            assert head.bias is not None
            nn.init.zeros_(head.bias)

    def forward(self, distortion: Tensor) -> FeatureChange:
        """Return g and d, [N, C, s, s] each, for maps D~ [N, channels, R, R]."""
        maps = F.leaky_relu(self.first(distortion), _LEAK)
        for down in self.down:
            maps = F.leaky_relu(down(maps), _LEAK)
        if maps.shape[2] != self.size:
            maps = F.interpolate(maps, size=(self.size, self.size), mode="bilinear", align_corners=False)
        for refine in self.refine:
            maps = (maps + F.leaky_relu(refine(maps), _LEAK)) * _GAIN
        return FeatureChange(2 * torch.sigmoid(self.gate(maps)), self.deviation[:, None, None] * self.detail(maps))


class DetailsNetwork(nn.Module):
    """The alignment, if any, and the consultation encoder.

    Args:
        shape: their numbers.
    """

    def __init__(self, shape: DetailsShape) -> None:
        super().__init__()
        self.shape = shape
        sizes = (shape.channels, shape.resolution, shape.width)
        self.alignment = AlignmentNetwork(*sizes, before=bool(shape.before)) if shape.aligned else None
        self.consultation = ConsultationEncoder(shape)

    def align(self, distortion: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Return D~ [N, C, R, R], which is D without an alignment.

        Args:
            distortion: [N, C, R, R], D.
            before: [N, C, R, R], the reconstruction.
            after: [N, C, R, R], the edited image without details.
        """
        if self.alignment is None:
            return distortion
        aligned: Tensor = self.alignment(distortion, before, after)
        return aligned

    def forward(self, distortion: Tensor, before: Tensor, after: Tensor) -> FeatureChange:
        """Return g and d, [N, C, s, s] each; arguments as those of `align`, [N, C, R, R]."""
        change: FeatureChange = self.consultation(self.align(distortion, before, after))
        return change
