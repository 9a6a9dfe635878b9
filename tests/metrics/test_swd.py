"""Sliced Wasserstein distance: the right order of magnitude, order and determinism."""

from __future__ import annotations

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
