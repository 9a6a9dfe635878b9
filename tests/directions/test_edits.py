"""Edits of images: what each does to a blob or a colour, and which pixels it knows."""

from __future__ import annotations

import math

import pytest
import torch

from linkgan_plugin.directions.edits import EDITS, chosen_edits, edited
from linkgan_plugin.errors import LinkGANError

SIDE = 40


def blob(x: float, y: float, width: float = 4.0, height: int = SIDE) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    image = torch.exp(-((columns - x).square() + (rows - y).square()) / width**2)
    return image.expand(1, 3, -1, -1).clone()


@pytest.mark.parametrize("height", [SIDE, 60])
@pytest.mark.parametrize(
    ("name", "amount", "wanted"),
    [
        ("shift_x", 1.0, lambda h: blob(29, h / 2, height=h)),
        ("shift_y", -2.0, lambda h: blob(25, h / 2 - 0.2 * h, height=h)),
        ("zoom", 1.0, lambda h: blob(20 + 5 * 1.2, h / 2, 4 * 1.2, height=h)),
        ("zoom", -1.0, lambda h: blob(20 + 5 / 1.2, h / 2, 4 / 1.2, height=h)),
        (
            "rotation",
            2.0,
            lambda h: blob(20 + 5 * math.cos(math.pi / 9), h / 2 - 5 * math.sin(math.pi / 9), height=h),
        ),
    ],
)
def test_the_blob_is_where_the_edit_puts_it(name, amount, wanted, height):
    image, known = edited(name, blob(25, height / 2, height=height), torch.tensor([amount]))
    expected = wanted(height)
    assert float(((image - expected) * known).abs().max()) < 0.03
    assert bool(known[0, 0, height // 2 - 2 : height // 2 + 2, 18:22].all())


def test_colours_are_added_to_their_channels():
    images = torch.zeros(2, 4, 3, 3)
    amounts = torch.tensor([1.0, -2.0])
    red, known = edited("red", images, amounts)
    assert red[:, :, 0, 0].tolist() == [[pytest.approx(0.2), 0, 0, 0], [pytest.approx(-0.4), 0, 0, 0]]
    light, _ = edited("brightness", images, amounts)
    assert light[0, :, 0, 0].tolist() == [pytest.approx(0.2)] * 3 + [0]
    assert bool(known.all())


@pytest.mark.parametrize("name", EDITS)
def test_amount_0_changes_nothing_and_knows_every_pixel(name):
    images = torch.randn([2, 3, 9, 12], generator=torch.Generator().manual_seed(0))
    image, known = edited(name, images, torch.zeros(2))
    torch.testing.assert_close(image, images, rtol=0, atol=1e-5)
    assert bool(known.all())


def test_pixels_from_beyond_the_image_are_not_known():
    _, known = edited("shift_x", torch.ones(1, 3, 10, 10), torch.tensor([2.0]))
    assert known[0, 0, 0].tolist() == [0, 0] + [1] * 8


def test_edits_are_chosen_by_name():
    assert chosen_edits("all", 3) == list(EDITS)
    assert chosen_edits("all", 1) == ["shift_x", "shift_y", "zoom", "rotation", "brightness"]
    assert chosen_edits("zoom, red", 4) == ["zoom", "red"]
    with pytest.raises(LinkGANError, match=r"edit 'zom' of images of 3 channels; .*did you mean 'zoom'"):
        chosen_edits("zom", 3)
    with pytest.raises(LinkGANError, match="edit 'red' of images of 1 channels"):
        chosen_edits("red", 1)
