"""Procedural heads: exact masks and depth, EG3D's cameras, attributes that change their own part."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from training_loops.data.head_cameras import RADIUS, camera_labels, sample_cameras
from training_loops.data.head_shapes import EYE, EYE_RADIUS, GEOMETRY
from training_loops.data.heads3d import ATTRIBUTES, FAR, PARTS, part_axes, part_boxes, render, sample_attributes
from training_loops.formats.archive import DatasetError

SMALLEST_CHANGE = 5e-5  # mean squared change over the whole image when one attribute is redrawn
NAMES = [attribute.name for attribute in ATTRIBUTES]


def camera(yaw: float = 0.0, pitch: float = 0.0, count: int = 1) -> Tensor:
    return camera_labels(torch.full([count], yaw), torch.full([count], pitch))


def pixel_points(label: Tensor, depth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the position [3], the directions [3, S, S] of a label's rays and the points [3, S, S], in float64."""
    pose, matrix = label[:16].double().view(4, 4), label[16:].double().view(3, 3)
    size = depth.shape[-1]
    line = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    v, u = torch.meshgrid(line, line, indexing="ij")
    across = torch.stack([u, v, torch.ones_like(u)]).flatten(1)
    rays = pose[:3, :3] @ torch.linalg.solve(matrix, across)
    rays = (rays / rays.norm(dim=0)).view(3, size, size)
    return pose[:3, 3], rays, pose[:3, 3, None, None] + rays * depth.double()


def project(label: Tensor, point: Tensor) -> tuple[float, float]:
    """Return where a label's camera shows a point of the world, as fractions of the image."""
    pose, matrix = label[:16].double().view(4, 4), label[16:].double().view(3, 3)
    seen = matrix @ torch.linalg.solve(pose, torch.cat([point.double(), torch.ones(1).double()]))[:3]
    return (seen[0] / seen[2]).item(), (seen[1] / seen[2]).item()


def redraw(attributes: Tensor, axis: int, seed: int) -> Tensor:
    changed = attributes.clone()
    changed[:, axis] = sample_attributes(len(attributes), seed)[:, axis]
    return changed


def test_masks_share_every_pixel_out_and_images_and_depths_stay_in_range() -> None:
    images, masks, depth = render(sample_attributes(24, 0), sample_cameras(24, 0), 32)
    assert images.shape == (24, 3, 32, 32)
    assert masks.shape == (24, len(PARTS), 32, 32)
    assert depth.shape == (24, 1, 32, 32)
    assert images.min() >= -1
    assert images.max() <= 1
    assert torch.allclose(masks.sum(1), torch.ones(24, 32, 32), atol=1e-6)
    assert torch.equal((masks * 5).round() / 5, masks), "the shares of 5 rays"
    assert (masks.mean((0, 2, 3)) > 0.004).all(), "every part shows"
    assert depth.min() > RADIUS - math.sqrt(0.75)
    assert ((depth == FAR) | (depth < 3.05)).all()
    behind = masks[:, 0] == 1
    assert (depth[:, 0][behind] == FAR).all()
    assert (depth[:, 0][masks[:, 0] == 0] < FAR).all()


def test_seeds_decide_and_more_heads_keep_the_first() -> None:
    assert torch.equal(sample_attributes(5, 3), sample_attributes(9, 3)[:5])
    assert torch.equal(sample_cameras(5, 3), sample_cameras(9, 3)[:5])
    assert not torch.equal(sample_cameras(5, 3), sample_cameras(5, 4))
    first, again = (render(sample_attributes(3, 1), sample_cameras(3, 1), 16) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a, b)


def test_a_head_does_not_depend_on_the_others_in_its_batch() -> None:
    attributes, cameras = sample_attributes(9, 0), sample_cameras(9, 0)
    together, alone = render(attributes, cameras, 32), render(attributes[8:], cameras[8:], 32)
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a[8:], b, atol=1e-5)


def test_depth_at_the_eyes_is_where_the_rays_meet_their_spheres() -> None:
    attributes = sample_attributes(6, 0)
    attributes[:, NAMES.index("eye_open")] = 1
    cameras = sample_cameras(6, 1)
    _, masks, depth = render(attributes, cameras, 64)
    for i in range(6):
        origin, rays, points = pixel_points(cameras[i], depth[i, 0])
        for sign in (-1, 1):
            middle = torch.tensor([sign * EYE[0], *EYE[1:]], dtype=torch.float64)
            away = origin - middle
            half = (rays * away[:, None, None]).sum(0)
            root = half * half - away @ away + EYE_RADIUS**2
            # Below the lid, on the eye's own side, clear of its outline.
            own = (masks[i, PARTS.index("eyes")] == 1) & (points[0] * sign > 0)
            ball = own & (points[1] < EYE[1] + GEOMETRY["eye_open"][1] - 0.003) & (root > 0.2 * EYE_RADIUS**2)
            assert ball.sum() > 15
            assert ((-half - root.clamp_min(0).sqrt())[ball] - depth[i, 0].double()[ball]).abs().max() < 1e-4


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.5, 0.2), (-0.4, -0.25)])
def test_the_tip_of_the_nose_shows_where_it_projects_to(yaw: float, pitch: float) -> None:
    attributes = torch.full([1, len(NAMES)], 0.5)
    label = camera(yaw, pitch)
    _, masks, depth = render(attributes, label, 128)
    length, radius = (sum(GEOMETRY[name]) / 2 for name in ("nose_length", "nose_width"))
    position = label[0, :16].view(4, 4)[:3, 3]
    middle = torch.tensor([0.0, -0.015, 0.17 + length])
    tip = middle + radius * torch.nn.functional.normalize(position - middle, dim=0)
    u, v = project(label[0], tip)
    row, column = int(v * 128), int(u * 128)
    assert masks[0, PARTS.index("nose"), row, column] == 1
    assert depth[0, 0, row, column].item() == pytest.approx((position - tip).norm().item(), abs=1e-3)


def test_the_nose_turns_to_the_left_of_the_image_for_a_camera_on_the_right_and_down_for_one_above() -> None:
    def nose(yaw: float, pitch: float) -> tuple[float, float]:
        attributes = torch.full([1, len(NAMES)], 0.5)
        mask = render(attributes, camera(yaw, pitch), 64).masks[0, PARTS.index("nose")]
        line = torch.arange(64) + 0.5
        return ((mask.sum(0) @ line) / mask.sum()).item(), ((mask.sum(1) @ line) / mask.sum()).item()

    x, y = nose(0.0, 0.0)
    assert x == pytest.approx(32, abs=0.3)
    assert nose(0.4, 0.0)[0] < x - 5
    assert nose(-0.4, 0.0)[0] > x + 5
    assert nose(0.0, 0.25)[1] > y + 3
    label = camera(0.4, 0.25)[0]
    assert label[3] > 0
    assert label[7] > 0
    assert label[:16].view(4, 4)[:3, 3].norm().item() == pytest.approx(RADIUS, abs=1e-5)
    assert project(label, torch.zeros(3)) == pytest.approx((0.5, 0.5), abs=1e-6)


def test_high_gaze_looks_to_the_right_of_the_image() -> None:
    attributes = torch.full([2, len(NAMES)], 0.5)
    attributes[:, NAMES.index("eye_open")] = 1
    attributes[:, NAMES.index("gaze_x")] = torch.tensor([0.0, 1.0])
    images, masks, _ = render(attributes, camera(count=2), 64)
    dark = (images.mean(1) < -0.7) & (masks[:, PARTS.index("eyes")] == 1)
    dark[:, :19] = False  # brows
    columns = (dark.sum(1) * torch.arange(64)).sum(1) / dark.sum((1, 2))
    assert columns[1] > columns[0] + 2


@pytest.mark.parametrize("extreme", [False, True])
def test_boxes_hold_their_parts_and_fit_them(extreme: bool) -> None:
    attributes, cameras = sample_attributes(40, 7), sample_cameras(40, 8)
    _, masks, depth = render(attributes.round() if extreme else attributes, cameras, 32)
    points = torch.stack([pixel_points(c, d[0])[2] for c, d in zip(cameras, depth, strict=True)])
    for part, box in part_boxes().items():
        low, high = torch.tensor(box).double().view(2, 3)
        assert low.min() >= -0.5
        assert high.max() <= 0.5
        shown = (masks[:, PARTS.index(part)] == 1) & (depth[:, 0] < FAR)
        found = points.permute(1, 0, 2, 3)[:, shown]
        assert (found >= low[:, None] - 1e-3).all(), (part, found.amin(1))
        assert (found <= high[:, None] + 1e-3).all(), (part, found.amax(1))
        if extreme and part in ("eyes", "nose", "mouth"):
            assert (found.amax(1)[:2] - found.amin(1)[:2] > 0.75 * (high - low)[:2]).all(), "no wider than need be"


def test_the_boxes_of_eyes_nose_and_mouth_lie_one_below_the_other() -> None:
    boxes = part_boxes()
    assert boxes["eyes"][1] >= boxes["nose"][4]
    assert boxes["nose"][1] >= boxes["mouth"][4]


@pytest.mark.parametrize("name", NAMES)
def test_every_attribute_shows_and_changes_its_own_part_alone(name: str) -> None:
    attributes, cameras, axis = sample_attributes(6, 5), sample_cameras(6, 5), NAMES.index(name)
    before, after = (render(a, cameras, 32) for a in (attributes, redraw(attributes, axis, 6)))
    change = (before.images - after.images).square().mean(1)
    assert change.mean() > SMALLEST_CHANGE
    own = (before.masks + after.masks)[:, PARTS.index(ATTRIBUTES[axis].part)] > 0
    elsewhere = (change * ~own).sum() / change.sum()
    moved = (before.depth - after.depth).abs()[:, 0] > 2e-3
    if name in GEOMETRY:
        assert elsewhere < 0.02, "the slope next to an edge is taken across it"
        assert moved.sum() > 6
        assert (moved & own).sum() > 0.95 * moved.sum()
    else:
        assert elsewhere == 0
        assert torch.equal(before.depth, after.depth)


def test_a_longer_nose_is_nearer_to_the_camera() -> None:
    attributes = torch.full([2, len(NAMES)], 0.5)
    attributes[:, NAMES.index("nose_length")] = torch.tensor([0.0, 1.0])
    low, high = GEOMETRY["nose_length"]
    nearest = render(attributes, camera(count=2), 128).depth.amin((1, 2, 3))
    assert (nearest[0] - nearest[1]).item() == pytest.approx(high - low, abs=2e-3)


def test_cameras_keep_to_their_limits_and_normal_ones_prefer_the_front() -> None:
    def angles(labels: Tensor) -> tuple[Tensor, Tensor]:
        x, y, z = labels[:, 3], labels[:, 7], labels[:, 11]
        return torch.atan2(x, z), torch.asin(y / RADIUS)

    for spread, deviation in (("uniform", 1 / math.sqrt(3)), ("normal", 0.44)):
        for found, limit in zip(angles(sample_cameras(4000, 0, 0.6, 0.3, spread)), (0.6, 0.3), strict=True):
            assert 0.97 * limit < found.abs().max() <= limit + 1e-5
            assert found.std().item() == pytest.approx(deviation * limit, rel=0.04)
            assert found.mean().abs() < 0.04 * limit


def test_unusable_arguments_are_refused() -> None:
    attributes, cameras = sample_attributes(2, 0), sample_cameras(2, 0)
    with pytest.raises(DatasetError, match=rf"shape \[2, 3\], expected \[n, {len(NAMES)}\]"):
        render(torch.zeros(2, 3), cameras, 32)
    with pytest.raises(DatasetError, match=r"cameras have shape \[1, 25\], expected \[2, 25\]"):
        render(attributes, cameras[:1], 32)
    with pytest.raises(DatasetError, match="size is 4, expected at least 8"):
        render(attributes, cameras, 4)
    with pytest.raises(DatasetError, match="part is 'eye', expected one of: background, hair"):
        part_axes("eye")
    with pytest.raises(DatasetError, match=r"yaw is 2\.0, expected at least 0 and less than pi/2"):
        sample_cameras(1, 0, yaw=2.0)
    with pytest.raises(DatasetError, match="'round', expected one of: uniform, normal"):
        sample_cameras(1, 0, spread="round")


def test_no_heads_give_empty_tensors() -> None:
    images, masks, depth = render(sample_attributes(0, 0), sample_cameras(0, 0), 32)
    assert [list(t.shape) for t in (images, masks, depth)] == [[0, k, 32, 32] for k in (3, len(PARTS), 1)]
