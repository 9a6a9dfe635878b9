"""Features of a box in the volume that depend on a few axes of w alone: what those axes change stays in the box."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.devices import constant
from training_loops.eg3d.planes import PLANES, sample_planes
from training_loops.errors import OptionError
from training_loops.stylegan2.generator import SynthesisNetwork

_CAPACITY: dict[str, Any] = {"channel_base": 512, "channel_max": 32, "num_fp16_res": 0, "use_noise": False}
_EDGE = 0.2  # of half a side: where features fade to zero


class LocalPlanes(nn.Module):
    """Tri-planes of a box, generated from some axes of ws [N, L, w_dim]; their features are zero outside the box.

    A new module's features are zero everywhere, so that it can be added to a trained generator.

    Args:
        features: channels of the features.
        axes: of w, the only ones that the planes depend on.
        box: x0, y0, z0, x1, y1, z1, two corners in world units.
        resolution: texels along the side of a plane.

    Raises:
        OptionError: no axes, or a box without volume.
    """

    def __init__(self, features: int, axes: Sequence[int], box: Sequence[float], resolution: int = 8) -> None:
        super().__init__()
        low, high = tuple(box[:3]), tuple(box[3:])
        if len(box) != 6 or not axes or not all(a < b for a, b in zip(low, high, strict=True)):
            raise OptionError(f"local_planes: axes {list(axes)}, box {list(box)}: expected axes, and x0 < x1 and so on")
        self.axes = tuple(axes)
        self.middle = tuple((a + b) / 2 for a, b in zip(low, high, strict=True))
        self.per_unit = tuple(2 / (b - a) for a, b in zip(low, high, strict=True))
        self.synthesis = SynthesisNetwork(len(self.axes), resolution, PLANES * features, **_CAPACITY)
        for name, value in self.synthesis.named_parameters():
            if "torgb.weight" in name:
                nn.init.zeros_(value)

    def planes(self, ws: Tensor) -> Tensor:
        """ws [N, L, w_dim] -> planes [N, 3, C, S, S]."""
        # The first layers' w, which decide on shapes. A list as an index would be copied to the device each time.
        own = torch.cat([ws[:, :1, axis : axis + 1] for axis in self.axes], dim=-1)
        out: Tensor = self.synthesis(own.expand(-1, self.synthesis.num_ws, -1))
        return out.unflatten(1, (PLANES, -1))

    def features(self, planes: Tensor, points: Tensor) -> Tensor:
        """Planes [N, 3, C, S, S] at points [N, M, 3], in world units -> features [N, M, C]."""
        # f(x) = planes(u) prod_i clamp((1 - |u_i|) / edge, 0, 1),  u = (x - middle) / (side / 2)
        u = (points - constant(self.middle, points)) * constant(self.per_unit, points)
        window = ((1 - u.abs()) / _EDGE).clamp(0, 1).prod(dim=-1)
        if points.device.type != "cpu":  # counting the points in the box would wait for the device
            return sample_planes(planes, u, 2) * window[..., None]
        return torch.stack([_inside(*one) for one in zip(planes, u, window, strict=True)])


def features_of(modules: Iterable[LocalPlanes], ws: Tensor) -> Callable[[Tensor], Tensor] | None:
    """Return the sum of their features for ws [N, L, w_dim] as a function of points [N, M, 3]; None for no modules."""
    own = [(local, local.planes(ws)) for local in modules]
    if not own:
        return None
    return lambda points: functools.reduce(torch.add, [local.features(planes, points) for local, planes in own])


def _inside(planes: Tensor, u: Tensor, window: Tensor) -> Tensor:
    """Planes [3, C, S, S] at points [M, 3], weighted by window [M] -> [M, C]; only points in the box are looked up."""
    found = window.detach().nonzero()[:, 0]
    values = sample_planes(planes[None], u[None, found], 2)[0] * window[found, None]
    return values.new_zeros(len(u), values.shape[1]).index_copy(0, found, values)
