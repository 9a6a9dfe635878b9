"""Cameras as EG3D's labels: 16 numbers of a pose, then 9 of the intrinsics.

A pose is a matrix [4, 4] from camera to world, whose columns are the directions right, down and forward of the camera
and its position. Intrinsics [3, 3] map the camera's coordinates to the image as fractions of its width and height,
with (0, 0) at its top left corner. World axes: x to the right, y up, z towards the camera in front.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LABEL_DIM = 25

_DIAGONAL = 1.414  # sqrt(2) as the public tools round it: the same angle gives the same images
_POLE = 1e-5  # at a pole the up direction is undefined


def positions_on_sphere(horizontal: Tensor, vertical: Tensor, radius: float) -> Tensor:
    """Return the points [N, 3] at `radius` around the origin.

    Args:
        horizontal: [N], radians; pi/2 is in front (on the z axis), 0 at the left (-x), pi at the right.
        vertical: [N], from 0 (above) to pi (below); pi/2 is level. Equal steps cover equal areas of the sphere, so
            uniform values give uniform points.
    """
    share = (vertical / math.pi).clamp(_POLE, 1 - _POLE)
    height = 1 - 2 * share
    around = 2 * (share * (1 - share)).sqrt()
    return radius * torch.stack([-around * horizontal.cos(), height, around * horizontal.sin()], dim=-1)


def look_at(positions: Tensor, target: Tensor) -> Tensor:
    """Return the poses [N, 4, 4] of level cameras at `positions` [N, 3] that look at `target` [3] or [N, 3].

    Raises:
        ValueError: a camera straight above or below its target, where level has no meaning, or at it.
    """
    forward = F.normalize(target - positions, dim=-1)
    level = torch.stack([-forward[:, 2], torch.zeros_like(forward[:, 0]), forward[:, 0]], dim=-1)
    if bool((level.norm(dim=-1) < 1e-6).any()):
        raise ValueError("a camera straight above, below or at its target has no up direction; move it to the side")
    right = F.normalize(level, dim=-1)
    down = torch.linalg.cross(forward, right)
    axes = torch.stack([right, down, forward, positions], dim=-1)  # [N, 3, 4]
    last = axes.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(axes), 1, 4)
    return torch.cat([axes, last], dim=1)


def intrinsics(fov_degrees: float) -> Tensor:
    """Return the matrix [3, 3] of a square image whose diagonal covers about `fov_degrees` (0 to 180, exclusive)."""
    if not 0 < fov_degrees < 180:
        raise ValueError(f"field of view of {fov_degrees} degrees: expected more than 0 and less than 180")
    focal = 1 / (math.tan(math.radians(fov_degrees) / 2) * _DIAGONAL)
    return torch.tensor([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0]])


def join_labels(poses: Tensor, matrices: Tensor) -> Tensor:
    """Return labels [N, 25] of `poses` [N, 4, 4] and intrinsics [3, 3] or [N, 3, 3]."""
    rows = matrices.to(poses).expand(len(poses), 3, 3)
    return torch.cat([poses.flatten(1), rows.flatten(1)], dim=1)


def split_labels(c: Tensor) -> tuple[Tensor, Tensor]:
    """Return the poses [N, 4, 4] and intrinsics [N, 3, 3] of labels [N, 25]; ValueError for other shapes."""
    if c.ndim != 2 or c.shape[1] < LABEL_DIM:
        raise ValueError(f"camera labels c: got {list(c.shape)}, expected [N, {LABEL_DIM}]: 16 of a pose, 9 intrinsics")
    return c[:, :16].reshape(-1, 4, 4), c[:, 16:LABEL_DIM].reshape(-1, 3, 3)
