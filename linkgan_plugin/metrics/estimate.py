"""Estimates: values with standard errors, computed from per-pair values in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


# A column that varies by less than this share of its largest value is constant up to float32 rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Estimate:
    """A metric's value and its standard error, never NaN.

    Attributes:
        value: None if it cannot be computed: no pairs, a ratio x / 0, or values that are not finite.
        stderr: one standard deviation of `value` over repeated evaluations; None for a single pair.
        n: number of pairs.
    """

    value: float | None
    stderr: float | None
    n: int


def shown(value: float | None, stderr: float | None) -> str:
    """Format a value: ``0.1234 ± 0.0056``, ``0.1234`` without a standard error, ``n/a`` for None."""
    if value is None:
        return "n/a"
    return f"{value:.4f}" if stderr is None else f"{value:.4f} ± {stderr:.4f}"


def mean(values: Array) -> Estimate:
    """Mean of values, with its standard error over independent pairs.

    Args:
        values: [n].
    Returns:
        No value without pairs or if values are not finite; no standard error for a single pair.
    """
    n = len(values)
    if n == 0 or not np.isfinite(values).all():
        return Estimate(None, None, n)
    return Estimate(float(values.mean()), _stderr(values), n)


def ratio(numerator: Array, denominator: Array) -> Estimate:
    """Ratio of the means of two values, with the delta method's standard error.

    Args:
        numerator: [n], of the same pairs as `denominator`.
        denominator: [n].
    Returns:
        No value without pairs, if values are not finite or the ratio is x / 0; no standard error for a single pair.
    """
    n = len(numerator)
    if n == 0 or not np.isfinite([numerator, denominator]).all() or denominator.mean() == 0:
        return Estimate(None, None, n)
    # R = mean(t) / mean(b);  dR = (dt - R db) / mean(b), so the influence of pair i is (t_i - R b_i) / mean(b)
    value = float(numerator.mean() / denominator.mean())
    return Estimate(value, _stderr((numerator - value * denominator) / denominator.mean()), n)


def pearson(first: Array, second: Array) -> Array:
    """Pearson's r between the columns of two arrays.

    r is 0 for a constant column, for which the correlation is undefined.

    Args:
        first: [n, A].
        second: [n, A].
    Returns:
        [A] in [-1, 1]; NaN for columns with values that are not finite.
    """
    # r = sum(a b) / sqrt(sum(a^2) sum(b^2)) = mean(a b) of standardized columns
    r: Array = (_standardized(first) * _standardized(second)).mean(0)
    return r


def correlation(first: Array, second: Array) -> Estimate:
    """Mean over columns of `pearson`, with the delta method's standard error.

    The columns come from the same pairs and are not independent, so the error is computed over pairs.

    Args:
        first: [n, A].
        second: [n, A].
    Returns:
        No value for fewer than 3 pairs, no columns or values that are not finite.
    """
    n = len(first)
    if n < 3 or first.shape[1] == 0 or not np.isfinite([first, second]).all():
        return Estimate(None, None, n)
    # With standardized columns, the influence of pair i on r is  a_i b_i - r (a_i^2 + b_i^2) / 2   (Hampel 1974)
    a, b = _standardized(first), _standardized(second)
    r = (a * b).mean(0)
    pull = (a * b - r * (a * a + b * b) / 2).mean(1)
    return Estimate(float(r.mean()), _stderr(pull), n)


def _stderr(figures: Array) -> float | None:
    """Standard error s / sqrt(n) of the mean of values [n], with unbiased variance s^2; None for n = 1."""
    n = len(figures)
    return float(figures.std(ddof=1)) / math.sqrt(n) if n > 1 else None


def _standardized(readings: Array) -> Array:
    """Shift and scale the columns of [n, A] to mean 0 and mean square 1; constant columns become 0."""
    varies = np.ptp(readings, 0) > _ROUNDING * np.abs(readings).max(0)
    centered = readings - readings.mean(0)
    scale = np.sqrt((centered * centered).mean(0))
    # NaN compares as False; it is kept, since a column with NaN is not constant.
    return np.divide(centered, scale, out=np.zeros_like(centered), where=varies | np.isnan(scale))
