"""Geometry metrics on a ball that is rendered in closed form: its bumps and colours are known, from every side."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from linkgan_plugin.cameras.views import inside_image, look_up, pixel_size, project, unproject
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics.evaluate import evaluate, metric_classes
from tests.toys import ToyMapping
from training_loops.formats.cameras import intrinsics, join_labels, look_at, positions_on_sphere, split_labels
from training_loops.formats.rays import RaySampler

SIZE, RADIUS, FAR = 48, 2.7, 3.3
NAMES = ("depth_effect", "depth_leak", "depth_locality", "view_depth_error", "view_error", "locality")
FRONT = "box3d(-0.5,-0.5,0.3,0.5,0.5,0.6)"
MOST = "box(0.06,0,1,1)+box(0,0.1,0.06,1)"  # all but a corner


def camera_labels(seeds):
    turned = torch.tensor([math.pi / 2 + 0.25 * math.sin(7.0 * seed) for seed in seeds])
    positions = positions_on_sphere(turned, torch.full_like(turned, math.pi / 2), RADIUS)
    return join_labels(look_at(positions, torch.zeros(3)), intrinsics(18.83))


class BallSynthesis(nn.Module):
    """A ball whose radius is axis 0 and whose stripes along y are axis 1; `flat` paints on the image instead."""

    def __init__(self, radius: float, flat: bool) -> None:
        super().__init__()
        self.radius, self.flat = radius, flat

    def forward(self, ws: Tensor, c: Tensor) -> dict[str, Tensor]:
        origins, directions = RaySampler()(*split_labels(c), SIZE)
        radius = 0.4 + self.radius * torch.tanh(ws[:, 0, 0])[:, None]
        along = (origins * directions).sum(dim=-1)
        inside = along.square() - origins.square().sum(dim=-1) + radius.square()
        depth = torch.where(inside > 0, -along - inside.clamp(min=0).sqrt(), torch.full_like(along, FAR))
        y = (origins + directions * depth.unsqueeze(-1))[..., 1]
        if self.flat:  # stripes of the image, which stay where they are when the camera moves
            y = torch.linspace(-0.5, 0.5, SIZE).repeat(SIZE).expand_as(y)
        stripes = torch.sin(4 * y + 3 * ws[:, 0, 1][:, None]) * (inside > 0)
        image = stripes.view(-1, 1, SIZE, SIZE)
        return {"image": image, "image_raw": image, "image_depth": depth.view(-1, 1, SIZE, SIZE)}


class Ball(nn.Module):
    def __init__(self, radius: float = 0.0, flat: bool = False) -> None:
        super().__init__()
        self.z_dim = self.w_dim = 4
        self.c_dim, self.num_ws, self.img_resolution, self.img_channels = 25, 2, SIZE, 1
        self.mapping, self.synthesis = ToyMapping(4), BallSynthesis(radius, flat)


def measured(generator, link):
    spec = LinkSpec.parse([link], dim=4)
    linked = LinkedGenerator(generator, spec, labels=camera_labels)
    (result,) = evaluate(linked, pairs=12, batch=6, metrics=NAMES).values()
    return result.values()


def test_paint_that_moves_with_the_ball_is_the_same_from_every_side():
    found = measured(Ball(), f"stripes=1:2@{FRONT}")
    assert found["view_error"] < 0.01
    assert found["view_depth_error"] < 2e-3
    assert found["depth_effect"] == found["depth_leak"] == 0
    assert found["depth_locality"] is None


def test_paint_on_the_image_is_another_from_the_side():
    assert measured(Ball(flat=True), f"stripes=1:2@{FRONT}")["view_error"] > 0.1


def test_changes_of_depth_are_where_the_ball_grows():
    found = measured(Ball(radius=0.02), f"size=0:1@{FRONT}")
    # Its front moves by as much as the radius; round its outline the background is uncovered.
    assert 1e-5 < found["depth_effect"] < 4 * 0.02**2
    front, most = (measured(Ball(radius=0.02), f"size=0:1@{region}") for region in (FRONT, MOST))
    assert 0 < front["depth_locality"] < 0.1
    assert 0.8 < most["depth_locality"] < 1
    assert front["depth_leak"] > 0


def test_points_are_found_again_by_the_camera_that_saw_them():
    labels = camera_labels(range(3))
    depth = Ball().synthesis(torch.zeros(3, 2, 4), labels)["image_depth"]
    places, away = project(unproject(depth, labels), labels)
    centres = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    assert torch.allclose(places[..., 0], centres.expand(3, SIZE, SIZE), atol=1e-5)
    assert torch.allclose(places[..., 1], centres[:, None].expand(3, SIZE, SIZE), atol=1e-5)
    assert torch.allclose(away, depth, atol=1e-5)
    assert torch.allclose(look_up(depth, places), depth, atol=2e-3)
    assert inside_image(places).all()
    assert not inside_image(places + 2).any()
    assert pixel_size(depth, labels)[0, 0, SIZE // 2, SIZE // 2] == pytest.approx(2.3 / SIZE / 4.2647, rel=0.02)


def test_depth_of_a_flat_generator_is_not_measured():
    assert not any(cls.needs_depth for cls in metric_classes(None, with_attributes=True))
    with pytest.raises(LinkGANError, match="metric 'depth_leak' needs depth"):
        metric_classes(["depth_leak"], with_attributes=True)
