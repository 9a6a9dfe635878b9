"""Region previews: colours where the regions are, at every size and for moving regions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from linkgan_plugin.links import Link, LinkSpec
from linkgan_plugin.regions.base import Scene
from linkgan_plugin.report.preview import COLOURS, FILL, GAP, LARGE, MARGIN, SMALL, draw_preview, legend
from tests.regions.shapes import Bright

SPEC = LinkSpec.parse(["left=4@box(0,0,0.5,1)"], dim=8)


@pytest.mark.parametrize("size", [8, 1024])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_region_is_tinted_and_the_rest_is_not(size, channels):
    sheet = draw_preview(Scene(torch.zeros(1, channels, size, size)), SPEC).astype(int)
    y, gray = MARGIN + LARGE // 2, 128
    expected = [round(gray + FILL * (c - gray)) for c in COLOURS[0]]
    np.testing.assert_allclose(sheet[y, MARGIN + LARGE // 4], expected, atol=1)
    np.testing.assert_allclose(sheet[y, MARGIN + 3 * LARGE // 4], gray, atol=1)
    np.testing.assert_allclose(sheet[y, MARGIN + LARGE // 2 - 2], COLOURS[0], atol=1)  # the outline


def test_a_border_inside_a_pixel_is_half_tinted_and_outlined_exactly():
    spec = LinkSpec.parse(["left=4@box(0,0,0.375,1)"], dim=8)  # 1.5 of 4 pixels
    sheet = draw_preview(Scene(torch.full((1, 3, 4, 4), -1.0)), spec).astype(int)
    y, pixel = MARGIN + LARGE // 2, LARGE // 4
    np.testing.assert_allclose(sheet[y, MARGIN + pixel + pixel // 4], FILL / 2 * np.array(COLOURS[0]), atol=1)
    np.testing.assert_allclose(sheet[y, MARGIN + pixel + pixel * 3 // 4], FILL / 2 * np.array(COLOURS[0]), atol=1)
    np.testing.assert_allclose(sheet[y, MARGIN + pixel + pixel // 2 - 2], COLOURS[0], atol=1)


def test_moving_regions_are_drawn_per_image_and_their_mean_area_is_told():
    images = torch.full((2, 3, 8, 8), -1.0)
    images[0, :, :4] = 1
    spec = LinkSpec((Link("sky", (0, 1), Bright()),), 4)
    assert [(row.name, row.area, row.axes) for row in legend(spec, Scene(images))] == [
        ("sky", pytest.approx(0.25), (0, 1)),
        ("rest", pytest.approx(0.75), (2, 3)),
    ]
    sheet = draw_preview(Scene(images), spec).astype(int)
    x = MARGIN + LARGE // 2
    assert (sheet[MARGIN + LARGE // 4, x] != 255).any()
    assert (sheet[MARGIN + 3 * LARGE // 4, x] == 0).all()
    second = sheet[MARGIN : MARGIN + SMALL, MARGIN + LARGE + GAP : MARGIN + LARGE + GAP + SMALL]
    assert (second == 0).all()


def test_the_legend_has_no_rest_row_when_every_axis_is_linked():
    spec = LinkSpec.parse(["left=4@box(0,0,0.5,1)"], dim=4)
    assert [row.name for row in legend(spec, Scene(torch.zeros(1, 3, 4, 4)))] == ["left"]


def test_the_sheet_grows_with_the_legend_and_the_grid():
    scene = Scene(torch.zeros(2, 3, 8, 8))
    many = LinkSpec.parse([f"l{i}=1@box({i / 20},0,{(i + 1) / 20},1)" for i in range(20)], dim=21)
    assert draw_preview(scene, many).shape[0] - draw_preview(scene, SPEC).shape[0] == 19 * 30
    plain, grid = draw_preview(scene, SPEC), draw_preview(scene, SPEC, grid=True)
    assert grid.shape[0] > plain.shape[0]
