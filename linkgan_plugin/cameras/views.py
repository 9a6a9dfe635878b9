"""Maps between pixels and world points with eg3d's camera labels (pose [4, 4] and normalized intrinsics [3, 3])."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.formats.cameras import LABEL_DIM, split_labels
from training_loops.formats.rays import RaySampler


def has_cameras(labels: Tensor | None) -> bool:
    """Return whether labels [N, c_dim] can hold a pose and intrinsics."""
    return labels is not None and labels.shape[1] >= LABEL_DIM


def unproject(depth: Tensor, labels: Tensor) -> Tensor:
    """Return the world points that pixels show, float32 [N, 3, h, w]: o + d r, for ray origins o and directions r.

    Args:
        depth: [N, 1, h, h], distances from the camera along the rays.
        labels: [N, 25 or more].
    """
    poses, intrinsics = split_labels(labels.float())
    side = depth.shape[-1]
    origins, directions = RaySampler()(poses, intrinsics, side)
    points = origins + directions * depth.float().flatten(1).unsqueeze(2)
    return points.transpose(1, 2).unflatten(2, (side, side))


def pixel_size(depth: Tensor, labels: Tensor) -> Tensor:
    """Return the width of a pixel at the surface it shows, d / (h f_x), [N, 1, h, h] in world units.

    Args:
        depth: [N, 1, h, h], distances d along the rays.
        labels: [N, 25 or more]; f_x is in image widths.
    """
    _, intrinsics = split_labels(labels.float())
    return depth.float() / (depth.shape[-1] * intrinsics[:, 0, 0].view(-1, 1, 1, 1))


def project(points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Project points [N, 3, h, w] to cameras [N, 25 or more]: return places [N, h, w, 2] and distances [N, 1, h, w].

    Places are (x, y) in [-1, 1] between the outer edges of the image, as in `F.grid_sample`.
    """
    poses, intrinsics = split_labels(labels.float())
    size = points.shape[2:]
    # (u, v, w) = K R^T (X - t);  place = 2 (u / w, v / w) - 1
    apart = points.flatten(2) - poses[:, :3, 3:]
    seen = intrinsics @ (poses[:, :3, :3].transpose(1, 2) @ apart)
    places = 2 * (seen[:, :2] / seen[:, 2:]) - 1
    return places.transpose(1, 2).unflatten(1, size), apart.norm(dim=1, keepdim=True).unflatten(2, size)


def look_up(images: Tensor, places: Tensor) -> Tensor:
    """Return images [N, C, H, W] at places [N, h, w, 2], bilinearly: [N, C, h, w]; clamped to the image."""
    return F.grid_sample(images.float(), places, mode="bilinear", padding_mode="border", align_corners=False)


def inside_image(places: Tensor) -> Tensor:
    """Return which places [N, h, w, 2] are in the image: bool [N, 1, h, w]."""
    return (places.abs() <= 1).all(dim=-1).unsqueeze(1) & torch.isfinite(places).all(dim=-1).unsqueeze(1)
