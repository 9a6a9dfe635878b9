"""Continuous factors: directions of inverted transformed images, and amounts in units of the factor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from linkgan_plugin.directions.factor import monotone
from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.directions.plumerault import blurred_error
from linkgan_plugin.errors import LinkGANError

from .blobs import BlobGenerator, position
from .planted import angle, opened, turned

QUICK = {"images": 24, "points": 3, "steps": 10}


def test_directions_are_the_axes_that_move_the_blob():
    found = find_directions(opened(BlobGenerator()), "plumerault", edits="shift_x,brightness", **QUICK)
    assert found.names == ("shift_x", "brightness")
    for number, axis in enumerate((0, 2)):
        assert angle(found.vectors[number], turned()[:, axis]) < 5
        assert float(found.vectors[number, 0] @ turned()[:, axis]) > 0


@pytest.mark.parametrize("bend", [0.0, 0.7])
def test_amounts_can_be_in_units_of_the_factor(bend):
    linked = opened(BlobGenerator(bend))
    linked.generator.mapping.weight.data = torch.diag(torch.linspace(0.5, 2, 12))
    found = find_directions(linked, "plumerault", edits="shift_x", real=True, images=48, points=4, steps=20)
    latents = linked.draw(range(64))
    places = [position(part[:, 0] @ turned()[:, 0], bend) for part in (latents, found.moved(latents, 0, 0.5))]
    # Amount 1 is a tenth of the image's width.
    shift = places[1] - places[0]
    central = places[0].abs() < 0.1
    assert int(central.sum()) > 15
    assert float(shift[central].mean()) == pytest.approx(0.05, abs=0.01)
    assert float(shift[central].std()) < 0.01


def test_g_is_the_inverse_of_how_positions_depend_on_the_factor():
    random = np.random.default_rng(0)
    before, amounts = random.normal(size=4000), random.uniform(-1, 1, size=4000)
    # The factor is sinh(p): after = arcsinh(sinh(before) + amount).
    knots, slopes = monotone(before, np.arcsinh(np.sinh(before) + amounts), amounts)
    middles = (knots[1:] + knots[:-1])[1:-1] / 2
    np.testing.assert_allclose(slopes[1:-1], np.cosh(middles), rtol=0.15)


def test_a_g_that_falls_is_refused():
    before = np.linspace(-1, 1, 50)
    with pytest.raises(LinkGANError, match="the factor does not grow along its direction"):
        monotone(before, before - 0.5, np.full(50, 0.5))


def test_the_blurred_error_is_that_of_the_blurred_image():
    random = torch.Generator().manual_seed(0)
    image = torch.randn([2, 1, 16, 24], generator=random)
    assert torch.allclose(blurred_error(image, 0.0), image.square().flatten(1).mean(dim=1), atol=1e-5)
    # Brute force: a periodic sum of Gaussians of deviation 0.1 * 24 pixels.
    deviation = 2.4
    kernels = []
    for side in (16, 24):
        apart = torch.arange(side)[:, None] - torch.arange(side)
        kernel = sum(torch.exp(-((apart + turn * side) ** 2) / 2 / deviation**2) for turn in range(-3, 4))
        kernels.append(kernel / kernel.sum(dim=1, keepdim=True))
    blurred = kernels[0] @ image @ kernels[1].T
    torch.testing.assert_close(blurred_error(image, 0.1), blurred.square().flatten(1).mean(dim=1), rtol=1e-3, atol=0)


def test_settings_out_of_range_are_refused():
    linked = opened(BlobGenerator())
    with pytest.raises(LinkGANError, match="blur is 1; expected at least 0 and less than 1"):
        find_directions(linked, "plumerault", blur=1.0)
    with pytest.raises(LinkGANError, match="points is 0; expected a number above 0"):
        find_directions(linked, "plumerault", points=0)
    with pytest.raises(LinkGANError, match="edit 'shift' of images of 1 channels"):
        find_directions(linked, "plumerault", edits="shift")
    linked.generator.synthesis.mix.data.zero_()
    with pytest.raises(LinkGANError, match="no latents were found along which images follow zoom"):
        find_directions(linked, "plumerault", edits="zoom", **QUICK)
