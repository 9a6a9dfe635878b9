"""The split of a change by a mask, and what an image holds beyond its thumbnail."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from linkgan_plugin.change import beyond_thumbnail, split_change


def test_inside_and_outside_add_up_to_the_whole_change():
    before, after = torch.randn(3, 2, 8, 8, dtype=torch.float64), torch.randn(4, 3, 2, 8, 8, dtype=torch.float64)
    mask = torch.rand(1, 1, 8, 8, dtype=torch.float64)
    inside, outside = split_change(before, after, mask)
    assert torch.allclose(inside, ((after - before) ** 2 * mask).sum(dim=[2, 3, 4]))
    assert torch.allclose(inside + outside, ((after - before) ** 2).sum(dim=[2, 3, 4]))


def linear_weights(pixels: int, side: int) -> np.ndarray:
    """Return [pixels, side]: linear interpolation between the centres of `side` equal cells, clamped at the ends."""
    weights = np.zeros([pixels, side])
    for pixel in range(pixels):
        at = np.clip((pixel + 0.5) * side / pixels - 0.5, 0, side - 1)
        low = min(int(at), side - 2)
        weights[pixel, [low, low + 1]] = 1 - (at - low), at - low
    return weights


def test_beyond_the_thumbnail_is_the_image_minus_its_enlarged_means_of_cells():
    image = np.random.RandomState(0).randn(2, 3, 1, 16, 16)
    means = image.reshape(2, 3, 1, 4, 4, 4, 4).mean(axis=(4, 6))
    enlarge = linear_weights(16, 4)
    expected = image - np.einsum("yi,xj,...ij->...yx", enlarge, enlarge, means)
    found = beyond_thumbnail(torch.from_numpy(image), 4)
    assert found.shape == image.shape
    assert np.allclose(found.numpy(), expected)


@pytest.mark.parametrize("side", [2, 4, 8])
def test_a_change_of_brightness_leaves_nothing_and_a_line_does(side):
    image = torch.zeros(1, 1, 32, 32)
    assert beyond_thumbnail(image + 0.7, side).abs().max() < 1e-5
    image[..., 16, :] = 1
    assert beyond_thumbnail(image, side).square().sum() > 0.8 * image.square().sum()
