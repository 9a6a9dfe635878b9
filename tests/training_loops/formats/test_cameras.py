"""Cameras: where they stand and look, what they cover, and how labels hold them."""

from __future__ import annotations

import math

import pytest
import torch

from training_loops.formats.cameras import intrinsics, join_labels, look_at, positions_on_sphere, split_labels


def test_positions_on_the_sphere() -> None:
    horizontal = torch.tensor([math.pi / 2, 0.0, math.pi, math.pi / 2])
    vertical = torch.tensor([math.pi / 2, math.pi / 2, math.pi / 2, 0.0])
    expected = torch.tensor([[0.0, 0.0, 2.0], [-2.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    torch.testing.assert_close(positions_on_sphere(horizontal, vertical, 2.0), expected, atol=0.02, rtol=0)
    torch.manual_seed(0)
    around = positions_on_sphere(torch.rand(50000) * 2 * math.pi, torch.rand(50000) * math.pi, 1.0)
    torch.testing.assert_close(around.norm(dim=1), torch.ones(50000))
    torch.testing.assert_close(around.T.cov(), torch.eye(3) / 3, atol=0.01, rtol=0)


def test_cameras_look_at_their_target_with_level_horizons() -> None:
    torch.manual_seed(0)
    positions, target = torch.randn(20, 3).double(), torch.tensor([0.1, 0.2, -0.3]).double()
    poses = look_at(positions, target)
    rotations = poses[:, :3, :3]
    torch.testing.assert_close(rotations.transpose(1, 2) @ rotations, torch.eye(3).double().expand(20, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(20).double())
    assert torch.equal(poses[:, :3, 3], positions)
    assert torch.equal(poses[:, 3], torch.tensor([0.0, 0, 0, 1]).double().expand(20, 4))
    seen = torch.linalg.solve(poses, torch.cat([target, target.new_ones(1)])[:, None].expand(20, 4, 1))[:, :3, 0]
    assert seen[:, :2].abs().max() < 1e-9, "the target is in the middle"
    torch.testing.assert_close(seen[:, 2], (target - positions).norm(dim=1))
    assert rotations[:, 1, 0].abs().max() < 1e-12, "right is level"
    assert (rotations[:, 1, 1] < 0).all(), "down is down"


def test_a_camera_above_its_target_is_refused() -> None:
    for position in ([0.0, 2.0, 0.0], [0.0, -2.0, 0.0], [0.0, 0.0, 0.0]):
        with pytest.raises(ValueError, match="has no up direction"):
            look_at(torch.tensor([position]), torch.zeros(3))


def test_intrinsics_cover_the_field_of_view() -> None:
    matrix = intrinsics(90).double()
    corner = torch.linalg.solve(matrix, torch.tensor([1.0, 1.0, 1.0]).double())
    half_diagonal = math.degrees(math.atan(corner[:2].norm().item()))
    assert half_diagonal == pytest.approx(45, abs=0.02)
    for degrees in (0, 180, -5):
        with pytest.raises(ValueError, match=f"field of view of {degrees} degrees: expected more than 0"):
            intrinsics(degrees)


def test_labels_hold_poses_and_intrinsics() -> None:
    torch.manual_seed(0)
    poses = look_at(torch.randn(3, 3), torch.zeros(3))
    matrices = torch.rand(3, 3, 3)
    c = join_labels(poses, matrices)
    assert c.shape == (3, 25)
    assert torch.equal(split_labels(c)[0], poses)
    assert torch.equal(split_labels(c)[1], matrices)
    assert torch.equal(join_labels(poses, matrices[0])[2, 16:], matrices[0].flatten())
    with pytest.raises(ValueError, match=r"camera labels c: got \[25\], expected \[N, 25\]"):
        split_labels(c[0])
