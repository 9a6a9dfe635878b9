"""`box3d(...)`: against surfaces whose depth is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec, parse_region
from linkgan_plugin.regions.base import Scene
from training_loops.formats.cameras import intrinsics, join_labels, look_at, positions_on_sphere, split_labels
from training_loops.formats.rays import RaySampler

SIZE, RADIUS = 64, 2.7
YAWS = (-0.4, 0.0, 0.3)


def cameras(*yaws):
    turned = torch.tensor([math.pi / 2 + yaw for yaw in yaws], dtype=torch.float64)
    positions = positions_on_sphere(turned, torch.full_like(turned, math.pi / 2 - 0.1), RADIUS)
    return join_labels(look_at(positions, torch.zeros(3, dtype=torch.float64)), intrinsics(18.83))


def ball(labels, size=SIZE, radius=0.4, far=3.3):
    """Depth [N, 1, size, size] of a ball around the origin before a far background, and the points seen."""
    origins, directions = RaySampler()(*split_labels(labels), size)
    along = (origins * directions).sum(dim=-1)
    inside = along.square() - origins.square().sum(dim=-1) + radius**2
    depth = torch.where(inside > 0, -along - inside.clamp(min=0).sqrt(), torch.full_like(along, far))
    points = origins + directions * depth.unsqueeze(-1)
    return depth.view(-1, 1, size, size), points.view(-1, size, size, 3)


def scene(labels, depth, size=SIZE):
    return Scene(torch.zeros(len(labels), 3, size, size), depth.float(), labels.float())


def test_a_pixel_is_inside_where_the_surface_that_it_shows_is():
    labels = cameras(*YAWS)
    depth, points = ball(labels)
    low, high = (-0.1, -0.25, 0.2), (0.2, 0.1, 0.5)
    mask = parse_region("box3d(-0.1,-0.25,0.2,0.2,0.1,0.5)").mask(scene(labels, depth))[:, 0]
    margin = torch.stack([torch.minimum(points[..., i] - low[i], high[i] - points[..., i]) for i in range(3)]).amin(
        dim=0
    )
    pixel = RADIUS / (SIZE * intrinsics(18.83)[0, 0])
    assert (mask[margin > pixel] == 1).all()
    assert (mask[margin < -pixel] == 0).all()
    assert ((mask > 0) & (mask < 1)).any()
    assert mask.flatten(1).mean(dim=1).min() > 0.01


def test_what_is_hidden_behind_is_not_in_the_region():
    labels = cameras(0.0, math.pi)  # from the front, from behind
    depth, _ = ball(labels)
    nose = parse_region("box3d(-0.1,-0.1,0.3,0.1,0.1,0.5)").mask(scene(labels, depth))
    assert nose[0].sum() > 50
    assert nose[1].sum() == 0


def test_the_same_piece_is_seen_from_every_side():
    labels = cameras(*YAWS)
    depth, points = ball(labels, 128)
    mask = parse_region("box3d(-0.15,-0.15,0.2,0.15,0.15,0.5)").mask(scene(labels, depth, 128))[:, 0]
    poses, matrices = split_labels(labels)
    piece = points[0][mask[0] == 1]
    assert len(piece) > 300
    places = []
    for n in (1, 2):
        own = (piece - poses[n, :3, 3]) @ poses[n, :3, :3]
        place = own @ matrices[n].T.double()
        place = place[:, :2] / place[:, 2:]
        row, column = (place[:, i].mul(128).long() for i in (1, 0))
        seen = (depth[n, 0, row, column] - own.norm(dim=1)).abs() < 0.01  # not on the side that is turned away
        assert seen.double().mean() > 0.9
        assert (mask[n, row, column][seen] > 0.4).all()
        places.append(place.mean(dim=0))
    assert (places[0] - places[1]).norm() > 0.1, "the camera did not move, so nothing was tested"


@pytest.mark.parametrize("size", [32, 128])
def test_a_mask_has_the_images_size_whatever_the_depths(size):
    labels = cameras(*YAWS)
    depth, _ = ball(labels)
    region = parse_region("box3d(-0.1,-0.25,0.2,0.2,0.1,0.5)")
    mask = region.mask(scene(labels, depth, size))
    assert mask.shape == (3, 1, size, size)
    assert mask.mean() == pytest.approx(region.mask(scene(labels, depth)).mean().item(), rel=0.02)


def test_its_text_is_read_back():
    region = parse_region("box3d(-0.1, -0.25, 0.2, 0.2, 0.1, 0.5)")
    assert str(region) == "box3d(-0.1,-0.25,0.2,0.2,0.1,0.5)"
    assert parse_region(str(region)) == region
    spec = LinkSpec.parse([f"nose=4@{region}"], dim=8)
    assert LinkSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("box3d(0,0,1,1)", "takes 6 numbers, not 4"),
        ("box3d(0,0,0,1,-1,1)", "y0 = 0 is not below y1 = -1"),
        ("box3d(0,0,a,1,1,1)", "'a' is not a number"),
    ],
)
def test_other_arguments_are_refused(text, message):
    with pytest.raises(LinkGANError, match=message):
        parse_region(text)


def test_images_without_depth_are_refused():
    with pytest.raises(LinkGANError, match="needs the depth and the camera of every image"):
        parse_region("box3d(0,0,0,1,1,1)").mask(Scene(torch.zeros(1, 3, 8, 8)))
