"""Orbits the camera of a 3D-aware generator around its object."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from training_loops.formats.cameras import LABEL_DIM, join_labels, split_labels

STEEPEST = math.radians(80)  # straight above, the up direction is undefined


def pivot_of(generator: Any, label: Tensor) -> Tensor:
    """Return the world point [3] around which a network's cameras turn.

    It is `avg_camera_pivot` of eg3d's rendering options, else the point on the line of sight closest to the origin.

    Args:
        generator: the network.
        label: [1, 25 or more], the camera.
    """
    named = (getattr(generator, "rendering_kwargs", None) or {}).get("avg_camera_pivot")
    if named is not None:
        return torch.tensor(named, dtype=torch.float32)
    pose = split_labels(label.float().cpu())[0][0]
    # p - (p . f) f, the foot of the perpendicular from the origin on the line p + t f
    position, forward = pose[:3, 3], pose[:3, 2]
    return position - (position @ forward) * forward


def turned(label: Tensor, yaw: float, pitch: float, pivot: Tensor) -> Tensor:
    """Return the label of a camera rotated around a point at constant distance.

    Args:
        label: [1, 25 or more], the original camera.
        yaw: radians to the right, around the world's y axis.
        pitch: radians up; a level camera stays level.
        pivot: [3], in world units.
    Returns:
        [1, 25 or more]; `label` if both angles are 0.
    """
    poses, intrinsics = split_labels(label)
    pose = poses[0].double().cpu()
    pivot = pivot.double().cpu()
    # R = R_y(yaw) R_right(-pitch): up first, around the camera's right axis; then around the world's y axis, which
    # keeps it level.  New rotation R C, new position pivot + R (p - pivot).
    rotation = _around(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), yaw) @ _around(pose[:3, 0], -pitch)
    moved = pose.clone()
    moved[:3, :3] = rotation @ pose[:3, :3]
    moved[:3, 3] = pivot + rotation @ (pose[:3, 3] - pivot)
    joined = join_labels(moved.to(label)[None], intrinsics)
    return torch.cat([joined, label[:, LABEL_DIM:]], dim=1)


def elevation(label: Tensor, pivot: Tensor) -> float:
    """Return asin((y - pivot_y) / distance) of a camera label [1, 25 or more], in radians; pivot: [3]."""
    away = split_labels(label.float().cpu())[0][0, :3, 3] - pivot
    return math.asin(float((away[1] / away.norm().clamp(min=1e-6)).clamp(-1, 1)))


def limited(label: Tensor, pitch: float, pivot: Tensor) -> float:
    """Clip a pitch (radians) so that a camera [1, 25 or more] stays within STEEPEST of level around a pivot [3]."""
    start = elevation(label, pivot)
    return min(max(pitch, -STEEPEST - start), STEEPEST - start)


def _around(axis: Tensor, angle: float) -> Tensor:
    """Return the rotation [3, 3] by an angle around a direction [3] (Rodrigues' formula)."""
    # I + sin(a) K + (1 - cos(a)) K^2,  K v = axis x v
    x, y, z = (axis / axis.norm()).tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.eye(3, dtype=torch.float64) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
