"""EG3D reduced to its volume: every pixel is rendered, nothing is painted over, so that a shape has to be learned.

Four differences from `TriPlaneGenerator`, each of which a small generator needs before its heads are solid:

- no super-resolution, which could paint what the volume lacks; the rendered image is the final one;
- the background is a colour of its own. Without one, a wall or fog inside the volume has to show it, and faces are
  painted on that;
- densities are steep, so that empty and solid parts form within the first thousand images;
- links to boxes can have planes of their own; see `LocalPlanes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from training_loops.devices import constant
from training_loops.eg3d.decoder import OSGDecoder
from training_loops.eg3d.local_planes import LocalPlanes, features_of
from training_loops.eg3d.renderer import Features
from training_loops.eg3d.triplane import TriPlaneGenerator
from training_loops.errors import OptionError
from training_loops.stylegan2.layers import FullyConnectedLayer

_GAIN, _SHIFT = 10, 0.5  # sigma = gain (y - shift): a new network is almost empty


class VolumeGenerator(TriPlaneGenerator):
    """z [N, z_dim] and camera labels c [N, 25] -> images [N, 3, R, R], rendered at R x R rays, and depths.

    Rays that hit nothing have the depth `ray_end`, a number here.

    Args:
        args: as `TriPlaneGenerator`.
        local_planes: `axes` and `box` of each `LocalPlanes`. The other planes do not depend on these axes.
        kwargs: as `TriPlaneGenerator`.

    Raises:
        OptionError: axes that w does not have, or that two local planes share; no number as `ray_end`.
    """

    FEATURES: ClassVar[int] = 16
    HIDDEN: ClassVar[int] = 32
    # Names of parameters that a snapshot to start from may lack.
    ADDED: ClassVar[tuple[str, ...]] = ("local.",)

    def __init__(self, *args: Any, local_planes: Sequence[Mapping[str, Any]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(self.rendering_kwargs.get("ray_end"), (int, float)):
            raise OptionError(f"rendering_kwargs: ray_end={self.rendering_kwargs.get('ray_end')!r}: expected a number")
        if local_planes:
            self.init_kwargs["local_planes"] = [dict(one) for one in local_planes]
        self.neural_rendering_resolution = self.img_resolution
        self.background = FullyConnectedLayer(self.w_dim, 3)
        self.local = nn.ModuleList(LocalPlanes(self.FEATURES, **one) for one in local_planes)
        axes = [axis for one in local_planes for axis in one["axes"]]
        if len(set(axes)) < len(axes) or any(not 0 <= axis < self.w_dim for axis in axes):
            raise OptionError(f"local_planes: axes {axes}: expected different ones from 0 to {self.w_dim - 1}")
        self._others = tuple(float(axis not in axes) for axis in range(self.w_dim))

    def _head(self, img_resolution: int, sr_num_fp16_res: int, sr_kwargs: Mapping[str, Any]) -> None:
        return None

    def _decoder(self, options: Mapping[str, Any]) -> OSGDecoder:
        return SteepDecoder(self.FEATURES, {**options, "decoder_output_dim": 3}, hidden=self.HIDDEN)

    def _volume(self, ws: Tensor, **synthesis_kwargs: Any) -> tuple[Tensor, Features | None]:
        planes, _ = super()._volume(self._rest(ws), **synthesis_kwargs)
        return planes, features_of(cast("Iterable[LocalPlanes]", self.local), ws)

    def _rest(self, ws: Tensor) -> Tensor:
        """Ws without the axes of local planes."""
        return ws * constant(self._others, ws) if self.local else ws

    def _shown(
        self, colors: Tensor, depth: Tensor, opacity: Tensor, ws: Tensor, size: int, **_: Any
    ) -> dict[str, Tensor]:
        # C + (1 - alpha) background(w) in [0, 1], alpha = sum_i w_i; depth likewise
        through = 1 - opacity
        colors = colors + through * 2 * torch.sigmoid(self.background(self._rest(ws)[:, -1]))[:, None]
        depth = opacity * depth + through * self.rendering_kwargs["ray_end"]
        image, deep = (part.transpose(1, 2).unflatten(2, (size, size)) for part in (colors, depth))
        return {"image": image, "image_raw": image, "image_depth": deep}


class SteepDecoder(OSGDecoder):
    """The decoder of EG3D with densities that change ten times as fast."""

    def forward(self, sampled_features: Tensor, ray_directions: Tensor | None) -> dict[str, Tensor]:
        out = super().forward(sampled_features, ray_directions)
        return {**out, "sigma": _GAIN * (out["sigma"] - _SHIFT)}
