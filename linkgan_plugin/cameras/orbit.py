"""Looking at an image of a 3D-aware generator from another side."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from training_loops.formats.cameras import LABEL_DIM, join_labels, split_labels

STEEPEST = math.radians(80)  # from straight above there is no telling which side is up


def pivot_of(generator: Any, label: Tensor) -> Tensor:
    """Return the point [3] in the world around which cameras of a network turn.

    It is the one that public snapshots name for this, else the point of the camera's line of sight next to the origin.

    Args:
        label: [1, 25 or more], the camera.
    """
    named = (getattr(generator, "rendering_kwargs", None) or {}).get("avg_camera_pivot")
    if named is not None:
        return torch.tensor(named, dtype=torch.float32)
    pose = split_labels(label.float().cpu())[0][0]
    position, forward = pose[:3, 3], pose[:3, 2]
    return position - (position @ forward) * forward


def turned(label: Tensor, yaw: float, pitch: float, pivot: Tensor) -> Tensor:
    """Return the label of a camera that went around a point, looking at it from the same distance.

    Args:
        label: [1, 25 or more], where it is at first. pivot: [3], in the world.
        yaw: radians to the right, around the world's y axis. pitch: radians up; a level camera stays level.
    Returns:
        [1, 25 or more]; with both 0 the label itself.
    """
    poses, intrinsics = split_labels(label)
    pose = poses[0].double().cpu()
    pivot = pivot.double().cpu()
    # Up first, around the camera's own right side; then around the world's axis, which leaves it level.
    rotation = _around(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), yaw) @ _around(pose[:3, 0], -pitch)
    moved = pose.clone()
    moved[:3, :3] = rotation @ pose[:3, :3]
    moved[:3, 3] = pivot + rotation @ (pose[:3, 3] - pivot)
    joined = join_labels(moved.to(label)[None], intrinsics)
    return torch.cat([joined, label[:, LABEL_DIM:]], dim=1)


def elevation(label: Tensor, pivot: Tensor) -> float:
    """Return how far above the level of the pivot a camera is, in radians."""
    away = split_labels(label.float().cpu())[0][0, :3, 3] - pivot
    return math.asin(float((away[1] / away.norm().clamp(min=1e-6)).clamp(-1, 1)))


def limited(label: Tensor, pitch: float, pivot: Tensor) -> float:
    """Return a pitch with which the camera stays off the poles."""
    start = elevation(label, pivot)
    return min(max(pitch, -STEEPEST - start), STEEPEST - start)


def _around(axis: Tensor, angle: float) -> Tensor:
    """Return the rotation [3, 3] by an angle around a direction [3] (Rodrigues' formula)."""
    x, y, z = (axis / axis.norm()).tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.eye(3, dtype=torch.float64) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
