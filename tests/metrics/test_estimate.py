"""Estimates: standard errors against the spread of simulated evaluations, and what is said where there is no number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from linkgan_plugin.metrics.estimate import Array, Estimate, correlation, mean, pearson, ratio, shown

N, TRIALS = 60, 1500
# The spread of 1500 estimates is itself known to 1 / sqrt(2 * 1500) = 2 %, for estimates that are normal.
TOLERANCE = 0.08


def spread_and_error(evaluate: Callable[[np.random.Generator], Estimate]) -> tuple[float, float]:
    """Return the spread of many small evaluations, and the mean of the errors that they report."""
    random = np.random.default_rng(0)
    found = [evaluate(random) for _ in range(TRIALS)]
    return float(np.std([e.value for e in found], ddof=1)), float(np.mean([e.stderr for e in found]))


@pytest.mark.parametrize("draw", [
    lambda random: random.normal(3, 2, N),
    lambda random: random.exponential(1, N),
    lambda random: random.chisquare(3, N),  # the squared change of three axes
])  # fmt: skip
def test_errors_of_means_are_the_spread_of_means(draw: Callable[[np.random.Generator], Array]) -> None:
    spread, error = spread_and_error(lambda random: mean(draw(random)))
    assert error == pytest.approx(spread, rel=TOLERANCE)


def independent(random: np.random.Generator) -> tuple[Array, Array]:
    return random.chisquare(5, N), random.chisquare(5, N) + 4


def a_share(random: np.random.Generator) -> tuple[Array, Array]:
    inside, outside = random.chisquare(4, N), 0.3 * random.chisquare(4, N)
    return inside, inside + outside


def opposed(random: np.random.Generator) -> tuple[Array, Array]:
    top = random.uniform(0, 1, N)
    return top, 2 - top


@pytest.mark.parametrize("draw", [independent, a_share, opposed])
def test_errors_of_ratios_are_the_spread_of_ratios(draw: Callable[[np.random.Generator], tuple[Array, Array]]) -> None:
    spread, error = spread_and_error(lambda random: ratio(*draw(random)))
    assert error == pytest.approx(spread, rel=TOLERANCE)


def columns_apart(random: np.random.Generator) -> tuple[Array, Array]:
    first = random.normal(size=(N, 4))
    return first, 0.5 * first + random.normal(size=(N, 4))


def columns_together(random: np.random.Generator) -> tuple[Array, Array]:
    """Draw four readings of one attribute: they tell no more than one does, so the error is not halved."""
    first = random.normal(size=(N, 1)) + 0.3 * random.normal(size=(N, 4))
    return first, 0.5 * first + random.normal(size=(N, 1))


def columns_without_correlation(random: np.random.Generator) -> tuple[Array, Array]:
    return random.normal(size=(N, 2)), random.normal(size=(N, 2))


def columns_that_are_uniform(random: np.random.Generator) -> tuple[Array, Array]:
    first = random.uniform(size=(N, 3))
    return first, first + 0.5 * random.uniform(size=(N, 3))


@pytest.mark.parametrize(
    "draw", [columns_apart, columns_together, columns_without_correlation, columns_that_are_uniform]
)
def test_errors_of_correlations_are_the_spread_of_correlations(
    draw: Callable[[np.random.Generator], tuple[Array, Array]],
) -> None:
    spread, error = spread_and_error(lambda random: correlation(*draw(random)))
    assert error == pytest.approx(spread, rel=TOLERANCE)


def test_errors_of_correlations_approach_fishers_for_normal_readings() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=(100_000, 1))
    second = 0.75 * first + random.normal(size=(100_000, 1))  # r = 0.75 / sqrt(0.75^2 + 1) = 0.6
    found = correlation(first, second)
    assert found.value == pytest.approx(0.6, abs=0.01)
    assert found.stderr == pytest.approx((1 - 0.6**2) / np.sqrt(100_000), rel=0.03)


def test_four_times_the_pairs_halve_the_error() -> None:
    random = np.random.default_rng(0)
    top, bottom = random.chisquare(4, (2, 40_000))
    few, many = slice(10_000), slice(None)
    for estimate in (
        lambda rows: mean(top[rows]),
        lambda rows: ratio(top[rows], bottom[rows]),
        lambda rows: correlation(top[rows, None], (top + bottom)[rows, None]),
    ):
        assert estimate(few).stderr / estimate(many).stderr == pytest.approx(2, rel=0.05)


def test_the_mean_of_a_few_figures_by_hand() -> None:
    # 1, 2, 6: mean 3, variance (4 + 1 + 9) / 2 = 7, error sqrt(7 / 3)
    assert mean(np.array([1.0, 2.0, 6.0])) == Estimate(3.0, pytest.approx((7 / 3) ** 0.5, rel=1e-12), 3)


def test_the_ratio_of_a_few_figures_by_hand() -> None:
    # R = 8 / 4 = 2; residuals 3 - 2 = 1 and 5 - 6 = -1, variance 2, error sqrt(2 / 2) / 2
    assert ratio(np.array([3.0, 5.0]), np.array([1.0, 3.0])) == Estimate(2.0, pytest.approx(0.5, rel=1e-12), 2)


def test_a_negative_denominator_has_a_positive_error() -> None:
    assert ratio(np.array([3.0, 5.0]), np.array([-1.0, -3.0])) == Estimate(-2.0, pytest.approx(0.5), 2)


@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), seed=st.integers(0, 1000))
def test_correlations_do_not_depend_on_units(scale: float, shift: float, seed: int) -> None:
    first, second = np.random.default_rng(seed).normal(size=(2, 20, 2))
    found, plain = correlation(scale * first + shift, second), correlation(first, second)
    assert found.value == pytest.approx(plain.value, abs=1e-9)
    assert found.stderr == pytest.approx(plain.stderr, rel=1e-6)
    assert correlation(-first, second).value == pytest.approx(-plain.value, abs=1e-9)


def test_pearsons_r_is_scipys() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=(50, 3)) + 100
    second = first * [1, 0, -2] + random.normal(size=(50, 3))
    expected = [scipy.stats.pearsonr(first[:, k], second[:, k]).statistic for k in range(3)]
    assert pearson(first, second) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("noise", [0.0, 1e-8])
@pytest.mark.parametrize("n", [3, 10, 1000])
def test_readings_that_are_all_the_same_correlate_with_nothing(n: int, noise: float) -> None:
    # The mean of n times 0.1 is not always 0.1: what is left over must not pass for variation, nor must rounding.
    wobble = noise * np.random.default_rng(0).normal(size=(n, 1))
    found = correlation(np.full((n, 1), 0.1) + wobble, np.full((n, 1), 0.7) + wobble)
    assert found == Estimate(0.0, 0.0, n)


def test_a_dead_column_pulls_the_mean_down_and_adds_no_error() -> None:
    first = np.random.default_rng(0).normal(size=(40, 1))
    second = first + np.random.default_rng(1).normal(size=(40, 1))
    alone = correlation(first, second)
    beside = correlation(np.hstack([first, np.ones((40, 1))]), np.hstack([second, second]))
    assert beside.value == pytest.approx(alone.value / 2, rel=1e-12)
    assert beside.stderr == pytest.approx(alone.stderr / 2, rel=1e-12)


def test_nothing_is_said_of_no_pairs() -> None:
    none = np.zeros(0)
    assert mean(none) == ratio(none, none) == Estimate(None, None, 0)
    assert correlation(np.zeros((0, 2)), np.zeros((0, 2))) == Estimate(None, None, 0)


def test_a_single_pair_has_a_value_and_no_error() -> None:
    assert mean(np.array([3.0])) == Estimate(3.0, None, 1)
    assert ratio(np.array([3.0]), np.array([2.0])) == Estimate(1.5, None, 1)


@pytest.mark.parametrize("n", [1, 2])
def test_two_pairs_always_lie_on_a_line_and_show_no_correlation(n: int) -> None:
    readings = np.arange(2.0 * n).reshape(n, 2)
    assert correlation(readings, readings) == Estimate(None, None, n)


def test_no_attributes_have_no_correlation() -> None:
    assert correlation(np.zeros((9, 0)), np.zeros((9, 0))) == Estimate(None, None, 9)


def test_nothing_over_nothing_is_no_ratio_and_neither_is_something() -> None:
    zeros = np.zeros(4)
    assert ratio(zeros, zeros) == ratio(np.ones(4), zeros) == Estimate(None, None, 4)
    assert ratio(zeros, np.ones(4)) == Estimate(0.0, 0.0, 4)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_figures_that_are_not_finite_give_no_number(broken: float) -> None:
    good, bad = np.arange(1.0, 5.0), np.array([1.0, 2.0, broken, 4.0])
    nothing = Estimate(None, None, 4)
    assert mean(bad) == ratio(bad, good) == ratio(good, bad) == nothing
    assert correlation(bad[:, None], good[:, None]) == correlation(good[:, None], bad[:, None]) == nothing


def test_a_column_that_was_not_read_is_not_one_without_correlation() -> None:
    good = np.random.default_rng(0).normal(size=(5, 2))
    broken = good.copy()
    broken[2, 0] = np.nan
    found = pearson(broken, good)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [(0.12345, 0.00056, "0.1235 ± 0.0006"), (2.0, None, "2.0000"), (None, None, "n/a"), (0.0, 0.0, "0.0000 ± 0.0000")],
)
def test_figures_are_shown_with_their_error_where_they_have_one(value, stderr, text: str) -> None:
    assert shown(value, stderr) == text
