"""The exact pixel coverage of boxes and polygons, against rational arithmetic and counted points."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from linkgan_plugin.regions.base import Scene
from linkgan_plugin.regions.box import Box
from linkgan_plugin.regions.polygon import Polygon
from tests.regions.shapes import SIZES, boxes, inside_polygon, polygons, sample_points, share_of_points


def rational_overlap(start: float, stop: float, pixel: int, count: int) -> Fraction:
    low = max(Fraction(start) * count, Fraction(pixel))
    high = min(Fraction(stop) * count, Fraction(pixel + 1))
    return max(Fraction(0), high - low)


@given(boxes(), SIZES)
def test_box_coverage_is_exact(box, size):
    height, width = size
    expected = [
        [
            float(rational_overlap(box.x0, box.x1, x, width) * rational_overlap(box.y0, box.y1, y, height))
            for x in range(width)
        ]
        for y in range(height)
    ]
    np.testing.assert_allclose(box.coverage(height, width), expected, atol=1e-6)


def test_box_borders_inside_a_pixel_are_antialiased():
    expected = [[0, 0, 0, 0], [0.25, 0.5, 0.25, 0], [0.5, 1, 0.5, 0], [0.5, 1, 0.5, 0]]
    np.testing.assert_allclose(Box(0.125, 0.375, 0.625, 1).coverage(4, 4), expected, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(polygons(), SIZES)
def test_polygon_coverage_agrees_with_counted_points(polygon, size):
    expected = share_of_points(inside_polygon(polygon, *sample_points(*size)))
    error = np.abs(polygon.coverage(*size) - expected)
    assert error.max() < 0.06
    assert error.mean() < 0.01


@given(polygons(), SIZES)
def test_polygon_area_is_the_shoelace_formula_at_every_resolution(polygon, size):
    corners = polygon.corners
    twice = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, corners[1:] + corners[:1], strict=True))
    assert polygon.coverage(*size).mean(dtype=np.float64) == pytest.approx(abs(twice) / 2, abs=1e-6)


@given(boxes(), SIZES)
def test_a_box_written_as_a_polygon_covers_the_same_pixels(box, size):
    corners = ((box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1))
    np.testing.assert_allclose(Polygon(corners).coverage(*size), box.coverage(*size), atol=1e-6)


def test_a_triangle_over_half_the_image_covers_half_of_every_pixel_on_the_diagonal():
    expected = [[0.5, 0, 0], [1, 0.5, 0], [1, 1, 0.5]]
    np.testing.assert_allclose(Polygon(((0, 0), (1, 1), (0, 1))).coverage(3, 3), expected, atol=1e-6)


def test_a_mask_is_float32_of_the_scenes_size_and_computed_once():
    box, scene = Box(0, 0, 0.5, 1), Scene(torch.zeros(5, 3, 2, 4))
    mask = box.mask(scene)
    assert mask.dtype == torch.float32
    assert mask.tolist() == [[[[1, 1, 0, 0], [1, 1, 0, 0]]]]
    assert box.mask(scene) is mask
    assert box.mask(Scene(torch.zeros(1, 3, 8, 8))).shape == (1, 1, 8, 8)


def test_a_box_keeps_its_area_at_every_resolution():
    box = Box(0.13, 0.27, 0.61, 0.94)
    for size in (4, 32, 100, 512):
        assert box.coverage(size, size).mean(dtype=np.float64) == pytest.approx(0.48 * 0.67, abs=1e-7)
    assert box.area() == pytest.approx(0.48 * 0.67, abs=1e-7)
