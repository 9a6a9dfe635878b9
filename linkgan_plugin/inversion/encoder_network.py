"""The encoder's network: an image and its last reconstruction to a change of the latents.

    w_{t+1} = w_t + sigma * E(x, G(w_t), c),    E = h_w(f) 1^T + (0, Delta_1, ..., Delta_{L-1})(f),    w_0 = mean of W

(e4e, Tov et al. 2021: one w and an offset Delta_l per layer; ReStyle, Alaluf et al. 2021: passes that see the last
reconstruction.) f are the features of a small convolution network; sigma is the deviation of each axis of W.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.formats.budget import MOST_AXES, MOST_CLASSES
from training_loops.formats.json_text import fields_of

from ..errors import LinkGANError

_END = 4  # side of the last feature map
_WIDEST = 8  # the last feature maps are at most this many times as many as the first
_LEAK = 0.2
_GAIN = math.sqrt(0.5)
_LEAST, _MOST = (
    {"resolution": 4, "channels": 1, "c_dim": 0, "num_ws": 1, "w_dim": 1, "width": 1, "passes": 1},
    {
        "resolution": 4096,
        "channels": 4,
        "c_dim": MOST_CLASSES,
        "num_ws": 256,
        "w_dim": MOST_AXES,
        "width": 256,
        "passes": 32,
    },
)


@dataclass(frozen=True)
class EncoderShape:
    """The numbers that define an encoder's network.

    Attributes:
        resolution: side of the images in pixels.
        channels: of the images.
        c_dim: numbers in a label; 0 for networks without classes.
        num_ws: L, rows of the latents.
        w_dim: axes of W.
        width: feature maps after the first halving; every further halving doubles them, up to 8 times as many.
        passes: of ReStyle.
    Raises:
        LinkGANError: a number out of range.
    """

    resolution: int
    channels: int
    c_dim: int
    num_ws: int
    w_dim: int
    width: int = 32
    passes: int = 3

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not _LEAST[name] <= value <= _MOST[name]:
                raise LinkGANError(f"an encoder of {name} {value}, expected {_LEAST[name]} to {_MOST[name]}")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EncoderShape:
        """Return the shape in untrusted plain data.

        Raises:
            LinkGANError: a number is missing, unknown, or out of range.
        """
        return cls(**fields_of(data, "the architecture", {field.name: int for field in fields(cls)}))

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature maps after each halving."""
        halvings = max(1, math.ceil(math.log2(self.resolution / _END)))
        return tuple(self.width * min(2**k, _WIDEST) for k in range(halvings))

    @property
    def end(self) -> int:
        """Side of the last feature map in pixels."""
        return math.ceil(self.resolution / 2 ** len(self.widths))


class _Block(nn.Module):
    """Halves feature maps: y = lrelu(conv_s2(x)); (y + lrelu(conv(y))) / sqrt 2. Nothing mixes images of a batch."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(incoming, outgoing, 3, stride=2, padding=1)
        self.refine = nn.Conv2d(outgoing, outgoing, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        smaller = F.leaky_relu(self.down(maps), _LEAK)
        return (smaller + F.leaky_relu(self.refine(smaller), _LEAK)) * _GAIN


class EncoderNetwork(nn.Module):
    """E of the module's equation. A new one changes nothing: its last layers are zero.

    Args:
        shape: its numbers.
    Attributes:
        mean: [w_dim], the start w_0.
        deviation: [w_dim], sigma of each axis.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        widths = shape.widths
        incoming = (2 * shape.channels, *widths)
        self.blocks = nn.Sequential(*(_Block(*pair) for pair in zip(incoming, widths, strict=False)))
        self.joined = nn.Linear(widths[-1] * shape.end**2 + shape.c_dim, widths[-1])
        self.w = nn.Linear(widths[-1], shape.w_dim)
        self.offsets = nn.Linear(widths[-1], (shape.num_ws - 1) * shape.w_dim) if shape.num_ws > 1 else None
        self.register_buffer("mean", torch.zeros(shape.w_dim))
        self.register_buffer("deviation", torch.ones(shape.w_dim))
        for head in filter(None, (self.w, self.offsets)):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, images: Tensor, last: Tensor, labels: Tensor, offsets: int | None = None) -> Tensor:
        """Return the change of the latents, [N, num_ws, w_dim].

        Args:
            images: [N, C, R, R] in [-1, 1].
            last: [N, C, R, R], their reconstructions.
            labels: [N, c_dim].
            offsets: how many of the offsets Delta_1, Delta_2, ... are switched on; None for all.
        """
        maps = self.blocks(torch.cat([images, last], dim=1))
        found = F.leaky_relu(self.joined(torch.cat([maps.flatten(1), labels], dim=1)), _LEAK)
        w = self.w(found)[:, None]
        if self.offsets is not None:
            layers = self.shape.num_ws - 1
            active = torch.arange(layers, device=w.device) < (layers if offsets is None else offsets)
            delta = self.offsets(found).unflatten(1, (layers, self.shape.w_dim))
            w = torch.cat([w, w + delta * active[:, None]], dim=1)
        change: Tensor = w * self.deviation
        return change

    def start(self, images: int) -> Tensor:
        """Return w_0 for N images, [N, num_ws, w_dim]."""
        return self.mean.expand(images, self.shape.num_ws, -1)
