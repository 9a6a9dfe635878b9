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
    with pytest.raises(LinkGANError, match="3 dimensions, expected 2 as before"):
        stats.append(np.zeros((3, 3)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), dead=st.integers(0, 4))
def test_diagonal_gaussians_are_the_closed_form_with_features_that_never_vary(seed: int, dead: int) -> None:
    # d^2 = sum_k (m_k - m'_k)^2 + (s_k - s'_k)^2
    rng = np.random.default_rng(seed)
    means, deviations = rng.normal(size=(2, 6)), rng.uniform(0, 3, size=(2, 6))
    deviations[0, :dead] = 0
    expected = sum((means[0, k] - means[1, k]) ** 2 + (deviations[0, k] - deviations[1, k]) ** 2 for k in range(6))
    found = gaussian_distance(means[0], np.diag(deviations[0] ** 2), means[1], np.diag(deviations[1] ** 2))
    assert found == pytest.approx(expected, rel=1e-10)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.floats(0.01, 100))
def test_a_common_rotation_and_shift_change_nothing_and_a_scale_its_square(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(40, 5)), rng.normal(size=(40, 5)) @ rng.normal(size=(5, 5)) + 1
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    plain = frechet_distance(first, second)
    assert frechet_distance(first @ turn + 7, second @ turn + 7) == pytest.approx(plain, rel=1e-8)
    assert frechet_distance(scale * first, scale * second) == pytest.approx(scale**2 * plain, rel=1e-8)


def test_samples_come_near_the_distance_of_their_distributions_from_above() -> None:
    # N(0, 1) and N(0.5, 4) in each of 4 dimensions: 4 (0.5^2 + 1^2) = 5
    rng = np.random.default_rng(0)

    def bias(count: int) -> float:
        draws = [frechet_distance(rng.normal(size=(count, 4)), rng.normal(0.5, 2, (count, 4))) for _ in range(200)]
        return float(np.mean(draws)) - 5

    few, many = bias(20), bias(500)
    assert 1.5 < few < 3
    assert abs(many) < few / 5


def test_the_distance_is_symmetric_when_a_covariance_is_nearly_singular() -> None:
    # Two features that differ in the ninth digit: products of covariances lose what their square roots keep.
    rng = np.random.default_rng(0)
    base = rng.normal(size=(300, 1))
    first, second = (np.hstack([base, base + 1e-9 * rng.normal(size=base.shape)]) for _ in range(2))
    assert frechet_distance(first, second) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(first, second + 1) == pytest.approx(frechet_distance(second + 1, first), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_features_of_every_precision_are_summed_in_float64(dtype: torch.dtype) -> None:
    features = torch.randn(2000, 3, generator=torch.Generator().manual_seed(0)).add(100).to(dtype)
    stats = FeatureStats()
    stats.append(features)
    exact = features.double().numpy()
    assert stats.mean == pytest.approx(exact.mean(0), rel=1e-12)
    assert stats.cov == pytest.approx(np.cov(exact, rowvar=False), rel=1e-9)
    assert features.dtype == dtype


def test_features_given_are_left_as_they_are() -> None:
    array = np.random.default_rng(0).normal(size=(5, 2))
    tensor = torch.from_numpy(array.copy())
    for features in (array, tensor):
        FeatureStats().append(features)
    assert np.array_equal(array, np.random.default_rng(0).normal(size=(5, 2)))
    assert np.array_equal(tensor.numpy(), array)
