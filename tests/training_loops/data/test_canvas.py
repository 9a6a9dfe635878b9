"""Shapes cover what geometry says they cover, and layers keep exact account of what shows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training_loops.data.canvas import Canvas, cover, ellipse, segment, superellipse


def grid(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    line = (torch.arange(size) + 0.5) / size - 0.5
    return line[None, :], line[:, None]


@pytest.mark.parametrize("size", [16, 64, 256])
def test_a_circle_covers_its_area_at_every_resolution(size: int) -> None:
    x, y = grid(size)
    area = cover(ellipse(x, y, 0.3, 0.3), 1 / size).mean().item()
    assert area == pytest.approx(math.pi * 0.09, rel=0.2 / size)


def test_a_straight_edge_covers_its_exact_share_of_a_pixel() -> None:
    for inside in (0.0, 0.25, 0.5, 1.0):
        assert cover(torch.tensor([(0.5 - inside) / 8]), 1 / 8).item() == pytest.approx(inside)


def test_the_distance_to_an_ellipse_is_the_distance_to_its_nearest_point() -> None:
    rx, ry = 0.4, 0.25
    t = np.linspace(0, 2 * math.pi, 20_000)
    outline = np.stack([rx * np.cos(t), ry * np.sin(t)], 1)
    for angle in (0.0, 0.4, 1.1, 1.5707):
        for scale in (0.97, 1.03):
            point = scale * np.array([rx * math.cos(angle), ry * math.sin(angle)])
            nearest = np.linalg.norm(outline - point, axis=1).min() * (1 if scale > 1 else -1)
            found = ellipse(torch.tensor(point[0]), torch.tensor(point[1]), rx, ry).item()
            assert found == pytest.approx(nearest, rel=0.06)


def test_a_superellipse_of_power_two_is_an_ellipse() -> None:
    x, y = grid(64)
    round_ = cover(ellipse(x, y, 0.4, 0.25), 1 / 64)
    general = cover(superellipse(x, y, 0.4, 0.25, 2.0), 1 / 64)
    assert (round_ - general).abs().max() < 0.02


def test_a_segment_has_round_ends() -> None:
    x = torch.tensor([0.0, 0.3, 0.5])
    assert torch.allclose(segment(x, torch.tensor(0.1), 0.2, 0.05), torch.tensor([0.05, 0.0914, 0.2662]), atol=1e-4)


def test_layers_hide_what_is_below_by_the_share_they_cover() -> None:
    canvas = Canvas(count=1, size=64, parts=2)
    ground = canvas.layer()
    ground.paint(torch.ones(1, 64, 64), torch.tensor([1.0, 1.0, 1.0]))
    canvas.add(ground, 0)
    top = canvas.layer((0.0, 0.0, 0.5, 1.0))
    top.paint(torch.full((1, 64, 32), 0.25), torch.tensor([0.0, 0.0, 0.0]))
    canvas.add(top, 1)
    image, masks = canvas.finish()
    assert image[0, 0, 0].tolist() == [0.5] * 32 + [1.0] * 32
    assert masks[0, :, 0, 0].tolist() == [0.75, 0.25]
    assert masks[0, :, 0, 63].tolist() == [1.0, 0.0]


def test_shading_changes_colour_and_not_coverage() -> None:
    canvas = Canvas(count=1, size=64, parts=1)
    layer = canvas.layer()
    half = torch.zeros(1, 64, 64)
    half[:, :, :32] = 1
    layer.paint(half, torch.tensor([1.0, 0.0, 0.0]))
    layer.shade(torch.ones(1, 64, 64), torch.tensor([0.0, 0.0, 1.0]))
    assert torch.equal(layer.alpha, half)
    assert torch.equal(layer.colour[:, 2], half)
    assert layer.colour[:, 0].abs().max() == 0
