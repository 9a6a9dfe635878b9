"""Distances are those of the nearest point, and traced rays stop where geometry says they meet a surface."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from training_loops.data.sdf import box_limits, capsule, ellipsoid, sphere, trace


class Ball:
    """A ball around 0 for all rays."""

    radius = 0.3

    def distance(self, points: Tensor) -> Tensor:
        return sphere(*points, self.radius)

    def select(self, rays: Tensor) -> Ball:
        return self


def rays(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = torch.rand(3, count, generator=generator) - 0.5
    origins = torch.tensor([0.4, -0.3, 2.6])[:, None].expand(3, count)
    return origins, torch.nn.functional.normalize(targets - origins, dim=0)


def test_rays_stop_where_they_enter_a_ball_and_nowhere_else() -> None:
    origins, directions = rays(4000)
    near, far = torch.zeros(4000), torch.full([4000], 4.0)
    found = trace(Ball(), origins, directions, near, far)
    o, d = origins.double(), directions.double()
    half = (o * d).sum(0)
    root = half * half - (o * o).sum(0) + Ball.radius**2
    clear = root.abs() > 1e-3  # neither a hit nor a miss by less than 0.002
    assert torch.equal(found.isfinite()[clear], (root > 0)[clear])
    hit = clear & (root > 0)
    assert hit.sum() > 1000
    assert (found[hit] - (-half - root.clamp_min(0).sqrt())[hit]).abs().max() < 1.5e-3
    assert (found[hit] - (-half - root.clamp_min(0).sqrt())[hit]).abs().quantile(0.99) < 1e-4


def test_nothing_is_met_before_near_or_beyond_far() -> None:
    origins, directions = torch.tensor([[0.0], [0.0], [2.0]]), torch.tensor([[0.0], [0.0], [-1.0]])
    for near, far, expected in ((0.0, 3.0, 1.7), (1.0, 1.5, math.inf), (3.0, 2.0, math.inf)):
        found = trace(Ball(), origins, directions, torch.tensor([near]), torch.tensor([far]))
        assert found.item() == pytest.approx(expected, abs=1e-4)


def test_the_distance_to_an_ellipsoid_near_it_is_that_of_its_nearest_point() -> None:
    radii = (0.2, 0.3, 0.15)
    u, v = torch.meshgrid(torch.linspace(0, math.pi, 400), torch.linspace(0, 2 * math.pi, 800), indexing="ij")
    surface = torch.stack([u.sin() * v.cos(), u.sin() * v.sin(), u.cos()]).flatten(1) * torch.tensor(radii)[:, None]
    picked = surface[:, ::5003]
    for scale in (0.97, 1.03):
        points = picked * scale
        nearest = torch.cdist(points.T, surface.T).amin(1) * (1 if scale > 1 else -1)
        for weights in (radii, tuple(torch.full([points.shape[1]], radius) for radius in radii)):
            assert torch.allclose(ellipsoid(*points, *weights), nearest, rtol=0.06, atol=2e-4)


def test_a_capsule_has_round_ends() -> None:
    along = torch.tensor([-0.3, 0.1, 0.7])
    across = torch.tensor([0.4, 0.4, 0.0])
    distance = capsule(along, across, torch.zeros(3), 0.2, 0.05)
    assert torch.allclose(distance, torch.tensor([0.45, 0.35, 0.45]))


def test_limits_span_the_boxes_that_a_ray_meets() -> None:
    boxes = torch.tensor([[-1.0, -1, 0, 1, 1, 1], [-1, -1, 3, 1, 1, 4], [5, 5, 5, 6, 6, 6]])
    origins = torch.tensor([[0.5, 0.5, 2.0], [0.5, 0.5, 2.0], [-2.0, 2.0, 9.0]])
    directions = torch.tensor([[1e-9] * 3, [1e-9] * 3, [1.0] * 3])
    near, far = box_limits(origins, directions, boxes)
    assert torch.allclose(near[:2], torch.tensor([2.0, 1.0]))
    assert torch.allclose(far[:2], torch.tensor([6.0, 2.0]))
    assert near[2] > far[2]
