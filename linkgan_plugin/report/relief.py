"""Images of the shape that a 3D-aware generator renders: its depth, and the normals of its surface."""

from __future__ import annotations

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.formats.cameras import split_labels

from ..cameras.views import unproject


def depth_image(depth: Tensor, near: float, far: float) -> Tensor:
    """Return images [N, 3, h, w] in [-1, 1] of depths [N, 1, h, w] in world units; bright is near.

    Args:
        depth: distances from the camera.
        near: depth of the brightest colour.
        far: depth of the darkest colour.
    """
    share = ((far - depth[:, 0].float()) / max(far - near, 1e-6)).clamp(0, 1).cpu().numpy()
    colours = matplotlib.colormaps["magma"](share)[..., :3].astype(np.float32)
    return torch.from_numpy(colours).permute(0, 3, 1, 2).to(depth.device) * 2 - 1


def normal_image(depth: Tensor, labels: Tensor) -> Tensor:
    """Return images [N, 3, h, h] in [-1, 1] of unit normals: red is to the right, green up, blue towards the camera.

    Args:
        depth: [N, 1, h, h], distances from the camera along the rays, in world units.
        labels: [N, 25 or more], eg3d's cameras.
    """
    # n = dx x dy, dx and dy the differences of the neighbours' points, to the right and up
    points = unproject(depth, labels)
    padded = F.pad(points, [1, 1, 1, 1], mode="replicate")
    right = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    up = padded[:, :, :-2, 1:-1] - padded[:, :, 2:, 1:-1]
    normals = F.normalize(torch.linalg.cross(right, up, dim=1), dim=1)
    # The camera's own axes: x to the right, y down, z forward.
    turned = torch.einsum("nij,nihw->njhw", split_labels(labels.float())[0][:, :3, :3], normals)
    return turned * turned.new_tensor([1.0, -1.0, -1.0]).view(3, 1, 1)
