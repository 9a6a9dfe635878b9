"""The kernel distance against the closed form of Gaussians, brute force, and its own standard error."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics.kernel import kernel_distance, squared_discrepancy


def moments(mean: np.ndarray, cov: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First, second and third moments of a Gaussian: E x_i, E x_i x_j, E x_i x_j x_k."""
    third = np.einsum("i,j,k->ijk", mean, mean, mean)
    third += np.einsum("i,jk->ijk", mean, cov) + np.einsum("j,ik->ijk", mean, cov) + np.einsum("k,ij->ijk", mean, cov)
    return mean, np.outer(mean, mean) + cov, third


def closed_form(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """MMD^2 under (x . y / F + 1)^3 = sum_p (3 over p) |E x^(p) - E y^(p)|^2 / F^p, x^(p) the p-fold tensor product."""
    gaps = [np.square(a - b).sum() for a, b in zip(moments(mean1, cov1), moments(mean2, cov2), strict=True)]
    return sum(weight * gap / len(mean1) ** power for power, weight, gap in zip((1, 2, 3), (3, 3, 1), gaps))  # noqa: B905


def draws(rng: np.random.Generator, count: int, mean: np.ndarray, cov: np.ndarray) -> np.ndarray:
    return rng.multivariate_normal(mean, cov, count)


MEAN1, MEAN2 = np.array([0.0, 0.5, -0.2]), np.array([0.3, 0.0, 0.1])
COV1 = np.array([[1.0, 0.3, 0.0], [0.3, 0.5, 0.1], [0.0, 0.1, 0.8]])
COV2 = np.diag([0.6, 1.0, 0.7])


def test_it_is_unbiased_for_gaussians_and_its_standard_error_is_true() -> None:
    rng = np.random.default_rng(0)
    found = [kernel_distance(draws(rng, 60, MEAN1, COV1), draws(rng, 80, MEAN2, COV2)) for _ in range(400)]
    values = np.array([estimate.value for estimate in found])
    error = values.std(ddof=1)
    assert values.mean() == pytest.approx(closed_form(MEAN1, COV1, MEAN2, COV2), abs=4 * error / 20)
    assert np.sqrt(np.mean([estimate.stderr**2 for estimate in found])) == pytest.approx(error, rel=0.15)
    assert error / 20 < closed_form(MEAN1, COV1, MEAN2, COV2) / 20, "else the mean would say nothing"


def test_equal_distributions_are_at_0_on_average_whatever_the_count() -> None:
    rng = np.random.default_rng(1)
    for count in (20, 100):
        pairs = [(draws(rng, count, MEAN1, COV1), draws(rng, count, MEAN1, COV1)) for _ in range(300)]
        values = np.array([kernel_distance(*pair).value for pair in pairs])
        assert abs(values.mean()) < 3 * values.std() / np.sqrt(300)
        assert (values < 0).any()


def test_one_block_is_the_sum_over_pairs() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(5, 4)), rng.normal(1, 2, size=(7, 4))

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 4 + 1) ** 3)

    within = [np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]) for x in (first, second)]
    across = np.mean([k(a, b) for a in first for b in second])
    assert squared_discrepancy(first, second) == pytest.approx(sum(within) - 2 * across, rel=1e-12)


def test_tensors_of_low_precision_are_compared_in_float64() -> None:
    first, second = torch.randn(2, 50, 6, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    assert kernel_distance(first, second) == kernel_distance(first.double().numpy(), second.double().numpy())


def test_few_vectors_make_fewer_blocks_and_too_few_are_refused() -> None:
    rng = np.random.default_rng(3)
    assert kernel_distance(rng.normal(size=(9, 2)), rng.normal(size=(40, 2))).n == 4
    with pytest.raises(LinkGANError, match="3 and 40 feature vectors, expected at least 4"):
        kernel_distance(rng.normal(size=(3, 2)), rng.normal(size=(40, 2)))
    with pytest.raises(LinkGANError, match="2 and 3 feature dimensions"):
        kernel_distance(rng.normal(size=(9, 2)), rng.normal(size=(9, 3)))
    with pytest.raises(LinkGANError, match=r"shape \[9\], expected \[N, F\]"):
        kernel_distance(rng.normal(size=9), rng.normal(size=(9, 3)))
    with pytest.raises(LinkGANError, match="not finite"):
        kernel_distance(np.full((9, 2), np.nan), rng.normal(size=(9, 2)))
