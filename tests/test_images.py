"""Images: pixel values, heat maps, outlines, sheets and their metadata."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.images import drawing, pixels, png
from linkgan_plugin.images.pixels import to_pixels
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.report.sheet import GAP, HEADER, edit_sheet
from tests.toys import ToyGenerator, linked_weight

SIZE = 8


def linked():
    spec = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=8)
    return LinkedGenerator(ToyGenerator(linked_weight([range(4), range(4, 8)], SIZE, 8), SIZE), spec)


def test_minus_one_is_black_one_is_white_and_the_rest_is_clipped():
    image = torch.tensor([-3.0, -1.0, 0.0, 1.0, 2.0]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert pixels.to_pixels(image)[0, 0, :, 1].tolist() == [0, 0, 128, 255, 255]


def test_gray_images_get_three_equal_channels():
    assert pixels.to_pixels(torch.zeros(2, 1, 4, 4)).shape == (2, 4, 4, 3)


def test_enlarging_repeats_pixels_and_never_shrinks():
    small = np.arange(2 * 2 * 3, dtype=np.uint8).reshape(1, 2, 2, 3)
    assert (pixels.enlarge(small, 6)[0, ::3, ::3] == small[0]).all()
    assert pixels.enlarge(np.zeros((1, 64, 64, 3), np.uint8), 10).shape == (1, 64, 64, 3)


def test_more_difference_is_brighter_on_one_fixed_scale():
    levels = torch.linspace(0, drawing.HOTTEST, 6).view(6, 1, 1)
    brightness = drawing.heat(levels).astype(float).sum(axis=(1, 2, 3))
    assert (np.diff(brightness) > 0).all()
    assert brightness[0] < 10
    assert (drawing.heat(torch.full((1, 1, 1), 9.0)) == drawing.heat(levels[-1:])).all()


def test_the_outline_is_the_border_of_the_mask_alone():
    mask = np.zeros((4, 4), np.float32)
    mask[1:3, 1:3] = 1
    drawn = drawing.outline(np.zeros((16, 16, 3), np.uint8), mask, (9, 9, 9))[..., 0] == 9
    expected = np.zeros((16, 16), bool)
    expected[4:12, 4:12] = True
    expected[5:11, 5:11] = False
    assert (drawn == expected).all()


def test_png_text_survives_unicode():
    data = png.png_bytes(np.zeros((2, 2, 3), np.uint8), {"command": "linkgan edit Ä.pt"})
    assert Image.open(io.BytesIO(data)).text["command"] == "linkgan edit Ä.pt"


def test_the_sheet_shows_change_inside_the_region_and_black_outside():
    sheet = edit_sheet(linked(), [0, 1], ["left"], variants=2, cell=SIZE)
    width = SIZE + GAP + 3 * SIZE
    assert sheet.shape == (HEADER + 2 * SIZE, width, 3)
    difference = sheet[HEADER:, -SIZE:].reshape(2, SIZE, SIZE, 3).astype(int)
    inside, outside = difference[:, 1:-1, 1 : SIZE // 2 - 1], difference[:, :, SIZE // 2 :]
    assert inside.sum(axis=-1).mean() > 60
    assert outside.sum(axis=-1).max() < 10


def test_every_column_is_the_edit_it_says():
    generator = linked()
    sheet = edit_sheet(generator, [3], ["left", "all"], variants=1, donor_seed=7, cell=SIZE)
    original, donor = generator.sample([3]), generator.sample([7])
    edited = generator.mix(original.latents, donor.latents, "left")
    body = sheet[HEADER:]
    left = SIZE + GAP
    assert (body[:, :SIZE] == pixels.to_pixels(original.images)[0]).all()
    assert (body[:, left : left + SIZE] == pixels.to_pixels(edited.images)[0]).all()
    everything = left + 2 * SIZE + GAP
    assert (body[:, everything : everything + SIZE] == pixels.to_pixels(donor.images)[0]).all()


def test_grey_colour_and_transparency_are_shown_and_nothing_else_is() -> None:
    grey = to_pixels(torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2))
    assert grey.tolist() == [[[[128] * 3, [255] * 3]]]
    clear = torch.tensor([[-1.0, 0.0, 1.0, alpha] for alpha in (-1, 0, 1, 3)]).T.reshape(1, 4, 1, 4)
    # Over white: the share of white is 1, 1/2, 0 and, beyond the range, 0.
    assert to_pixels(clear)[0, 0].tolist() == [[255, 255, 255], [128, 191, 255], [0, 128, 255], [0, 128, 255]]
    expected = (
        r"images of {} channels cannot be shown, edited or projected; expected 1 \(grey\), 3 \(RGB\), 4 \(RGB and"
    )
    for count in (2, 5):
        with pytest.raises(LinkGANError, match=expected.format(count)):
            to_pixels(torch.zeros(1, count, 2, 2))
