"""Fit on planted edits: those that cannot be told, those that always can, and images that a share gives away."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics.fit import SIDE, fit, small

COUNT = 600


def images(seed: int, count: int = COUNT) -> Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_edits_from_the_same_distribution_cannot_be_told() -> None:
    found = [fit(images(2 * seed), images(2 * seed + 1), seed=seed, steps=60) for seed in range(6)]
    assert found[0].n == 2 * COUNT // 3
    mean = sum(estimate.value for estimate in found) / len(found)
    assert abs(mean - 0.5) < 3 * found[0].stderr / len(found) ** 0.5
    assert found[0].stderr == pytest.approx((0.25 / found[0].n) ** 0.5, rel=0.02)


def test_a_patch_that_does_not_suit_is_always_told() -> None:
    edited = images(1)
    edited[:, :, 2:5, 2:5] = edited[:, :, 2:5, 2:5] * 0.2 + 0.8
    found = fit(images(0), edited, steps=100)
    assert found.value > 0.95
    assert found.stderr > 0


def test_edits_of_which_a_share_shows_are_told_by_that_share() -> None:
    # A half of the edits is marked, the other half cannot be told: the best accuracy is 1/2 + 1/2 * 1/2.
    edited = images(1)
    edited[::2, :, :4] = 1
    found = fit(images(0), edited, steps=150)
    assert found.value == pytest.approx(0.75, abs=4 * found.stderr)


def test_the_result_is_that_of_its_seed_and_leaves_the_callers_random_numbers() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    with torch.no_grad():
        first = fit(images(0, 30), images(1, 30), steps=5)
    assert torch.rand(1) == expected
    assert fit(images(0, 30), images(1, 30), steps=5) == first


def test_large_images_are_shrunk_and_small_ones_left() -> None:
    assert small(torch.zeros(2, 3, 256, 128)).shape == (2, 3, SIDE, SIDE // 2)
    assert small(torch.zeros(2, 1, 16, 16)).shape == (2, 1, 16, 16)


def test_unusable_images_are_refused() -> None:
    with pytest.raises(LinkGANError, match="11 images of each kind, expected at least 12"):
        fit(images(0), images(1, 11))
    with pytest.raises(LinkGANError, match="expected the same"):
        fit(images(0), images(1)[:, :1])
    with pytest.raises(LinkGANError, match="not finite"):
        fit(images(0), images(1) * torch.nan)
