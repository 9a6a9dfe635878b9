"""Sliced Wasserstein distance: the right order of magnitude, order and determinism."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics import swd
from linkgan_plugin.metrics.swd import laplacian_pyramid, sliced_wasserstein
from training_loops.data.faces import render, sample_attributes


@pytest.fixture(scope="module")
def faces() -> tuple[Tensor, Tensor]:
    images = render(sample_attributes(400, 0), 32)[0]
    return images[:200], images[200:]


def test_equal_sets_with_the_same_patches_are_at_zero() -> None:
    points = torch.randn(500, 10, generator=torch.Generator().manual_seed(0))
    assert swd._distance(points, points[torch.randperm(500)], 16, torch.Generator()) == 0


def test_the_distance_is_the_mean_of_one_dimensional_distances() -> None:
    random = torch.Generator().manual_seed(0)
    first, second = torch.randn(60, 5, generator=random), 2 * torch.randn(60, 5, generator=random) + 1
    found = swd._distance(first, second, 40, torch.Generator().manual_seed(7))
    axes = torch.randn(5, 40, generator=torch.Generator().manual_seed(7)).double().numpy()
    axes /= np.linalg.norm(axes, axis=0)
    one, other = first.double().numpy() @ axes, second.double().numpy() @ axes
    expected = np.mean([scipy.stats.wasserstein_distance(one[:, i], other[:, i]) for i in range(40)])
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_pyramid_splits_an_image_into_bands() -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    levels = laplacian_pyramid(images)
    assert [level.shape[-1] for level in levels] == [64, 32, 16]
    flat = laplacian_pyramid(torch.full((1, 3, 64, 64), 0.3))
    assert max(level.abs().max().item() for level in flat[:-1]) < 1e-6
    assert torch.allclose(flat[-1], torch.tensor(0.3), atol=1e-6)
    noise, smooth = laplacian_pyramid(torch.cat([images, images.mean((2, 3), keepdim=True).expand_as(images)]))[
        0
    ].split(2)
    assert noise.std() > 100 * smooth.std()


def test_the_seed_decides_the_value(faces: tuple[Tensor, Tensor]) -> None:
    assert sliced_wasserstein(*faces) == sliced_wasserstein(*faces)
    assert sliced_wasserstein(*faces) != sliced_wasserstein(*faces, seed=1)


def test_damage_shows_on_the_level_it_belongs_to(faces: tuple[Tensor, Tensor]) -> None:
    real, other = faces
    fine, coarse = sliced_wasserstein(real, other)
    noise = 0.1 * torch.randn(other.shape, generator=torch.Generator().manual_seed(0))
    fine_noisy, coarse_noisy = sliced_wasserstein(real, other + noise)
    assert fine_noisy > 1.8 * fine
    assert coarse_noisy == pytest.approx(coarse, rel=0.3)
    upside_down = sliced_wasserstein(real, other.transpose(2, 3))
    assert upside_down[1] > 1.5 * coarse


def test_unusable_images_are_refused() -> None:
    with pytest.raises(LinkGANError, match=r"\[2, 3, 32, 32\] and \[3, 3, 32, 32\], expected the same"):
        sliced_wasserstein(torch.zeros(2, 3, 32, 32), torch.zeros(3, 3, 32, 32))
    with pytest.raises(LinkGANError, match="4x4 pixels, expected at least 7x7"):
        sliced_wasserstein(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4))


def test_a_shift_of_all_points_is_its_mean_length_on_a_random_direction() -> None:
    # Every projection moves by u . v:  E |u . v| = |v| Gamma(D/2) / (sqrt(pi) Gamma((D + 1)/2)) over unit u
    dim, directions = 5, 4000
    points = torch.randn(40, dim, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([3.0, 0.0, -4.0, 0.0, 0.0])
    found = swd._distance(points, points + shift, directions, torch.Generator().manual_seed(1))
    expected = 5 * math.gamma(dim / 2) / (math.sqrt(math.pi) * math.gamma((dim + 1) / 2))
    assert found == pytest.approx(expected, rel=0.03)  # 4000 directions know it to 1.2 %


def test_normal_points_of_other_spread_are_at_the_distance_of_the_normal_law() -> None:
    # W1 of N(0, s^2) and N(0, t^2) on a line = |s - t| sqrt(2 / pi)
    random = torch.Generator().manual_seed(0)
    first, second = torch.randn(20_000, 1, generator=random), 3 * torch.randn(20_000, 1, generator=random)
    assert swd._distance(first, second, 4, random) == pytest.approx(2 * math.sqrt(2 / math.pi), rel=0.03)


def test_distances_are_symmetric_and_grow_with_the_scale() -> None:
    random = torch.Generator().manual_seed(0)
    first, second = torch.randn(60, 5, generator=random), torch.randn(60, 5, generator=random) + 1

    def distance(a: Tensor, b: Tensor) -> float:
        return swd._distance(a, b, 40, torch.Generator().manual_seed(7))

    assert distance(first, second) == pytest.approx(distance(second, first), rel=1e-6)
    assert distance(3 * first, 3 * second) == pytest.approx(3 * distance(first, second), rel=1e-5)


def test_equal_images_are_at_what_the_choice_of_patches_leaves(faces: tuple[Tensor, Tensor]) -> None:
    real, _ = faces
    few, many = (sliced_wasserstein(real, real, patches=patches) for patches in (4, 64))
    apart = sliced_wasserstein(real, torch.randn(real.shape, generator=torch.Generator().manual_seed(0)))
    for level in range(2):
        assert many[level] < few[level] / 2
        assert 0 < many[level] < apart[level] / 5


def test_brightness_and_contrast_of_a_set_are_normalised_away(faces: tuple[Tensor, Tensor]) -> None:
    real, other = faces
    factor, offset = (torch.tensor(values).view(3, 1, 1) for values in ([0.5, 0.7, 0.3], [0.1, -0.2, 0.4]))
    assert sliced_wasserstein(real, factor * other + offset) == pytest.approx(sliced_wasserstein(real, other), rel=1e-3)


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (33, 70)])
def test_the_bands_of_the_pyramid_add_up_to_the_image(size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    *bands, found = laplacian_pyramid(images)
    assert bands
    for band in reversed(bands):
        found = band + swd._enlarge(found, band.shape[2:])
    assert torch.allclose(found, images, atol=1e-6)


def test_a_patch_is_seven_pixels_of_every_channel_normalised_over_the_set() -> None:
    level = torch.arange(2 * 2 * 7 * 7, dtype=torch.float32).view(2, 2, 7, 7)  # room for one place only
    found = swd._descriptors(level, 3, torch.Generator().manual_seed(0))
    assert found.shape == (6, 98)
    exact = level.double().permute(0, 2, 3, 1).reshape(2, 49, 2)
    # Each image gives the same patch three times, so the unbiased spread is over 3 x 2 x 49 values.
    values = exact.repeat_interleave(3, 0)
    expected = (values - values.mean((0, 1))) / values.reshape(-1, 2).std(0)
    assert torch.allclose(found.double(), expected.flatten(1), atol=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_images_that_are_not_finite_are_refused(value: float) -> None:
    good, bad = torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 16, 16)
    bad[1, 0, 3, 3] = value
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(LinkGANError, match="images are not finite"):
            sliced_wasserstein(*pair)
