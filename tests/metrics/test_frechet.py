"""The Frechet distance against closed forms, and statistics that do not depend on how features come in."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics.frechet import FeatureStats, frechet_distance, gaussian_distance


def random_covariance(rng: np.random.Generator, size: int, rank: int) -> np.ndarray:
    factor = rng.normal(size=(size, rank))
    return factor @ factor.T


def test_one_dimension_is_the_closed_form() -> None:
    found = gaussian_distance(np.array([1.0]), np.array([[4.0]]), np.array([-2.0]), np.array([[9.0]]))
    assert found == pytest.approx((1 + 2) ** 2 + (2 - 3) ** 2)


def test_covariances_that_commute_are_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    first, second = rng.uniform(0, 4, 7), rng.uniform(0, 4, 7)
    found = gaussian_distance(np.zeros(7), axes * first @ axes.T, np.ones(7), axes * second @ axes.T)
    assert found == pytest.approx(7 + np.square(np.sqrt(first) - np.sqrt(second)).sum())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), rank=st.integers(3, 12))
def test_general_covariances_agree_with_the_matrix_square_root(seed: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    first = random_covariance(rng, 12, 12) + 0.1 * np.eye(12)
    second = random_covariance(rng, 12, rank)
    mean = rng.normal(size=12)
    root = scipy.linalg.sqrtm(first @ second)
    expected = mean @ mean + np.trace(first + second) - 2 * np.trace(root).real
    assert gaussian_distance(mean, first, np.zeros(12), second) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), rank=st.integers(1, 6))
def test_it_is_symmetric_and_zero_only_for_equals(seed: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = random_covariance(rng, 6, rank), random_covariance(rng, 6, 6)
    one, other = rng.normal(size=(2, 6))
    there = gaussian_distance(one, first, other, second)
    assert there == pytest.approx(gaussian_distance(other, second, one, first), rel=1e-6, abs=1e-6)
    assert there > 1e-3
    assert gaussian_distance(one, first, one, first) == pytest.approx(0, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=5), offset=st.sampled_from([0.0, 1e4]))
def test_statistics_do_not_depend_on_the_batches(cuts: list[int], offset: float) -> None:
    features = np.random.default_rng(1).normal(size=(200, 5)) * [1, 2, 0.1, 5, 0] + offset
    stats = FeatureStats()
    for batch in np.split(features, sorted(cuts)):
        stats.append(torch.from_numpy(batch))
    assert stats.count == 200
    assert np.allclose(stats.mean, features.mean(0), rtol=1e-12)
    assert np.allclose(stats.cov, np.cov(features, rowvar=False), rtol=1e-9, atol=1e-9)


def test_tensors_arrays_and_statistics_are_the_same() -> None:
    first, second = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(0))
    stats = FeatureStats()
    stats.append(first)
    expected = frechet_distance(first.numpy(), second.numpy())
    assert frechet_distance(stats, second) == expected
    assert expected > 0


def test_a_shift_is_measured_by_its_square() -> None:
    features = np.random.default_rng(0).normal(size=(30, 4))
    assert frechet_distance(features, features + np.array([3, 0, 4, 0])) == pytest.approx(25)


def test_unusable_features_are_refused() -> None:
    good = np.zeros((3, 2))
    with pytest.raises(LinkGANError, match=r"shape \[3\], expected \[N, F\]"):
        frechet_distance(np.zeros(3), good)
    with pytest.raises(LinkGANError, match="4 and 2 feature dimensions"):
        frechet_distance(np.zeros((3, 4)), good)
    with pytest.raises(LinkGANError, match="1 feature vectors, expected at least 2"):
        frechet_distance(good, good[:1])
    with pytest.raises(LinkGANError, match="not finite"):
        frechet_distance(good, np.full((3, 2), np.nan))
    stats = FeatureStats()
    stats.append(good)
    with pytest.raises(LinkGANError, match="3 dimensions, those before had 2"):
        stats.append(np.zeros((3, 3)))
