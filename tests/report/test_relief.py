"""Images of depth and normals."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from linkgan_plugin.report.relief import depth_image, normal_image
from training_loops.data.head_cameras import camera_labels
from training_loops.formats.cameras import split_labels
from training_loops.formats.rays import RaySampler

SIDE = 33


def depth_of_plane(labels: torch.Tensor, point: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
    """Return the depth [1, 1, SIDE, SIDE] of a plane, in float64."""
    origins, directions = RaySampler()(*(part.double() for part in split_labels(labels)), SIDE)
    return (((point - origins) @ normal) / (directions @ normal)).view(1, 1, SIDE, SIDE)


def test_near_is_bright_and_nothing_beyond_the_ends_differs():
    depth = torch.tensor([1.0, 2.0, 2.5, 3.0, 9.0]).reshape(1, 1, 1, 5)
    light = depth_image(depth, near=2.0, far=3.0)[0, :, 0].sum(dim=0)
    assert light[0] == light[1] > light[2] > light[3] == light[4]
    assert depth_image(torch.ones(1, 1, 2, 2), near=1.0, far=1.0).isfinite().all(), "a flat wall has one depth"


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.5, -0.2)])
@pytest.mark.parametrize("seen", [(0.0, 0.0, 1.0), (0.5, 0.0, 0.8), (-0.3, 0.4, 0.7)])
def test_a_plane_has_its_normal_in_the_cameras_axes(yaw, pitch, seen):
    labels = camera_labels(torch.tensor([yaw]), torch.tensor([pitch]))
    expected = F.normalize(torch.tensor(seen).double(), dim=0)
    # To the right, up and towards the camera; its own axes are x to the right, y down and z forward.
    world = split_labels(labels.double())[0][0, :3, :3] @ (expected * torch.tensor([1.0, -1.0, -1.0]))
    depth = depth_of_plane(labels, torch.zeros(3).double(), world)
    found = normal_image(depth.float(), labels)
    assert (found[0, :, 1:-1, 1:-1] - expected.float()[:, None, None]).abs().max() < 2e-3
