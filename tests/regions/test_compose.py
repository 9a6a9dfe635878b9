"""Unions and intersections: shapes, shared borders, moving parts, canonical expressions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import parse_region
from linkgan_plugin.regions.base import Scene
from linkgan_plugin.regions.box import Box
from linkgan_plugin.regions.compose import combine
from linkgan_plugin.regions.mask import MaskImage
from linkgan_plugin.regions.polygon import Polygon
from tests.regions.shapes import (
    Bright,
    boxes,
    inside_box,
    inside_polygon,
    png,
    polygons,
    sample_points,
    share_of_points,
)

LEFT, RIGHT = Box(0, 0, 0.33, 1), Box(0.33, 0, 1, 1)


@settings(max_examples=30, deadline=None)
@given(boxes(), polygons())
def test_union_and_intersection_agree_with_counted_points(box, polygon):
    points = sample_points(8, 8)
    a, b = inside_box(box, *points), inside_polygon(polygon, *points)
    union = combine("+", [box, polygon]).coverage(8, 8)
    assert np.abs(union - share_of_points(a | b)).max() < 0.08
    if (a & b).mean() > 0.01:
        both = combine("&", [box, polygon]).coverage(8, 8)
        assert np.abs(both - share_of_points(a & b)).max() < 0.08


def test_adjacent_parts_that_share_a_pixel_fill_it():
    np.testing.assert_allclose(combine("+", [LEFT, RIGHT]).coverage(4, 4), 1, atol=1e-6)


def test_a_region_joined_with_itself_stays_itself_but_for_a_sliver():
    box = Box(0.11, 0.2, 0.77, 0.9)
    for symbol in "+&":
        assert np.abs(combine(symbol, [box, box]).coverage(32, 32) - box.coverage(32, 32)).max() < 0.07


def test_an_intersection_of_separate_parts_is_an_error():
    with pytest.raises(LinkGANError, match=r"box\(0,0,0.33,1\)&box\(0.33,0,1,1\) is empty: its parts have no area"):
        combine("&", [LEFT, RIGHT])


def test_two_files_of_one_name_are_an_error():
    masks = [MaskImage("a.png", png(np.array([[shade]], np.uint8))) for shade in (255, 254)]
    assert combine("+", [masks[0], masks[0]]).files() == masks[0].files()
    with pytest.raises(LinkGANError, match=r"two different files are called 'a\.png' in one region; rename one"):
        combine("+", masks)


def test_a_moving_part_makes_one_mask_per_image():
    images = torch.tensor([[1.0, 1.0], [-1.0, 1.0]])[:, None, None, :].expand(2, 3, 2, 2)
    region = combine("&", [Bright(), Box(0, 0, 0.75, 1)])
    assert not region.static
    assert region.area() is None
    assert region.mask(Scene(images))[:, 0, 0].tolist() == [[1, 0.5], [0, 0.5]]
    union = combine("+", [Bright(), Box(0, 0, 0.75, 1)])
    assert union.mask(Scene(images))[:, 0, 0].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("box(0,0,.5,1) + box(.5,0,1,.50)", "box(0,0,0.5,1)+box(0.5,0,1,0.5)"),
        ("(box(0,0,.5,1)+box(0,0,1,.5))+box(0,.5,1,1)", "box(0,0,0.5,1)+box(0,0,1,0.5)+box(0,0.5,1,1)"),
        ("box(0,0,1,1)&(box(0,0,.5,1)+box(0,0,1,.5))", "box(0,0,1,1)&(box(0,0,0.5,1)+box(0,0,1,0.5))"),
        ("(box(0,0,1,1)&box(0,0,.5,1))+box(0,0,1,.5)", "box(0,0,1,1)&box(0,0,0.5,1)+box(0,0,1,0.5)"),
        ("((box(0,0,1,1)))", "box(0,0,1,1)"),
        ("box( 0 , 0 , 1e-1 , 1 )", "box(0,0,0.1,1)"),
    ],
)
def test_expressions_have_one_canonical_form(text, canonical):
    assert str(parse_region(text)) == canonical
    assert parse_region(canonical) == parse_region(text)


def test_and_binds_tighter_than_plus():
    a, b, c = Box(0, 0, 0.5, 1), Box(0.25, 0, 1, 1), Box(0.75, 0, 1, 1)
    assert parse_region(f"{c}+{a}&{b}") == combine("+", [c, combine("&", [a, b])])
    assert parse_region(f"({c}+{a})&{b}") == combine("&", [combine("+", [c, a]), b])


def test_a_polygon_with_a_bite_is_written_as_its_corners():
    bite = Polygon(((0, 0), (1, 0), (0.5, 0.5), (1, 1), (0, 1)))
    assert str(bite) == "polygon(0,0,1,0,0.5,0.5,1,1,0,1)"
    assert bite.area() == pytest.approx(0.75, abs=1e-6)
