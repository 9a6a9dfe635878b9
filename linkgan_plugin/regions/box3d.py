"""The region kind `box3d(x0,y0,z0,x1,y1,z1)`: a box in the world of a 3D-aware generator, for any camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from training_loops.devices import constant

from ..cameras.views import has_cameras, pixel_size, unproject
from ..errors import LinkGANError
from .base import Read, Region, Scene, expression, numbers

USAGE = "box3d(x0,y0,z0,x1,y1,z1): two opposite corners in world units, for eg3d x to the right, y up, z to the front"


@dataclass(frozen=True)
class Box3D(Region):
    """The pixels that show a surface inside a box of the generator's world.

    The surface of a pixel is where its ray meets the rendered depth. So the mask follows the camera, and surfaces in
    front of the box or behind it are not in the region.

    Attributes:
        low: corner of the smallest coordinates (x, y, z), in world units.
        high: corner of the largest ones.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @classmethod
    def parse(cls, args: Sequence[str], read: Read) -> Box3D:
        """Read six numbers.

        Raises:
            LinkGANError: other arguments, or a box without volume.
        """
        if len(args) != 6:
            raise LinkGANError(f"box3d takes 6 numbers, not {len(args)}; write {USAGE}")
        values = numbers(args, USAGE)
        for axis, start, end in zip("xyz", values[:3], values[3:], strict=True):
            if not start < end:
                raise LinkGANError(f"box3d: {axis}0 = {start:g} is not below {axis}1 = {end:g}; write {USAGE}")
        return cls((values[0], values[1], values[2]), (values[3], values[4], values[5]))

    def mask(self, scene: Scene) -> Tensor:
        """Return float32 [N, 1, H, W].

        Raises:
            LinkGANError: no depth, or no camera labels of eg3d's kind.
        """
        points, pixel = _surface(scene)
        low, high = (constant(corner, points)[:, None, None] for corner in (self.low, self.high))
        # Distance inside the box in pixels at that depth: edges that cross the surface are as soft as those of `box`.
        depth_inside = ((high - low) / 2 - (points - (high + low) / 2).abs()).amin(dim=1, keepdim=True)
        mask = (depth_inside / pixel + 0.5).clamp(0, 1)
        size = scene.images.shape[2:]
        if size == mask.shape[2:]:
            return mask
        if size[0] < mask.shape[2]:
            return F.interpolate(mask, size=size, mode="area")
        return F.interpolate(mask, size=size, mode="bilinear", align_corners=False)

    def __str__(self) -> str:
        return expression("box3d", (*self.low, *self.high))


def _surface(scene: Scene) -> tuple[Tensor, Tensor]:
    """Return the points that pixels show, [N, 3, h, w], and the size of a pixel there, [N, 1, h, w], in world units."""
    if scene.depth is None or scene.camera is None or not has_cameras(scene.camera):
        raise LinkGANError(
            "box3d needs the depth and the camera of every image, as from 3D-aware generators such as eg3d's; "
            "write box(x0,y0,x1,y1) for other generators and for photographs"
        )
    if "surface" not in scene.found:
        depth = scene.depth.detach()
        scene.found["surface"] = unproject(depth, scene.camera)
        scene.found["pixel"] = pixel_size(depth, scene.camera)
    return scene.found["surface"], scene.found["pixel"]
