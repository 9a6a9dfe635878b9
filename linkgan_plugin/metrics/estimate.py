"""Estimates: a number with its standard error, from per-pair figures. Float64 throughout."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


# Readings of a column that lie within this share of its largest are the same number, read in float32.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Estimate:
    """A metric's value and its standard error, never NaN.

    Attributes:
        value: None where nothing could be measured: no pairs, a ratio x / 0, or figures that are not finite.
        stderr: one standard deviation of `value` over repeated evaluations; None where one pair cannot tell.
        n: pairs that it was measured on.
    """

    value: float | None
    stderr: float | None
    n: int


def shown(value: float | None, stderr: float | None) -> str:
    """Return a figure as people read it: ``0.1234 ± 0.0056``, without the error where there is none, or ``n/a``."""
    if value is None:
        return "n/a"
    return f"{value:.4f}" if stderr is None else f"{value:.4f} ± {stderr:.4f}"


def mean(values: Array) -> Estimate:
    """Mean of figures, with the standard error of a mean of independent pairs.

    Args:
        values: [n].
    Returns:
        No value without pairs or with figures that are not finite, no standard error of a single pair.
    """
    n = len(values)
    if n == 0 or not np.isfinite(values).all():
        return Estimate(None, None, n)
    return Estimate(float(values.mean()), _stderr(values), n)


def ratio(numerator: Array, denominator: Array) -> Estimate:
    """Ratio of the means of two figures, with the delta method's standard error.

    Args:
        numerator: [n], of the same pairs as `denominator`.
        denominator: [n].
    Returns:
        No value without pairs, with figures that are not finite or where it is x / 0; no standard error of one pair.
    """
    n = len(numerator)
    if n == 0 or not np.isfinite([numerator, denominator]).all() or denominator.mean() == 0:
        return Estimate(None, None, n)
    # R = mean(t) / mean(b);  dR = (dt - R db) / mean(b), so pair i pulls R by (t_i - R b_i) / mean(b)
    value = float(numerator.mean() / denominator.mean())
    return Estimate(value, _stderr((numerator - value * denominator) / denominator.mean()), n)


def pearson(first: Array, second: Array) -> Array:
    """Pearson's r between the columns of two readings.

    A column without variation has no correlation to show: r = 0, since nothing of the second is in the first.

    Args:
        first: [n, A].
        second: [n, A].
    Returns:
        [A] in [-1, 1]; NaN for columns with readings that are not finite.
    """
    # r = sum(a b) / sqrt(sum(a^2) sum(b^2)) = mean(a b) of columns that are standardized
    r: Array = (_standardized(first) * _standardized(second)).mean(0)
    return r


def correlation(first: Array, second: Array) -> Estimate:
    """Mean over columns of `pearson`, with the delta method's standard error.

    The columns are read from the same pairs and hang together, so it is pairs that the error is taken over.

    Args:
        first: [n, A].
        second: [n, A].
    Returns:
        No value for fewer than 3 pairs, no columns or readings that are not finite.
    """
    n = len(first)
    if n < 3 or first.shape[1] == 0 or not np.isfinite([first, second]).all():
        return Estimate(None, None, n)
    # With standardized columns, pair i pulls r by  a_i b_i - r (a_i^2 + b_i^2) / 2   (Hampel 1974: its influence)
    a, b = _standardized(first), _standardized(second)
    r = (a * b).mean(0)
    pull = (a * b - r * (a * a + b * b) / 2).mean(1)
    return Estimate(float(r.mean()), _stderr(pull), n)


def _stderr(figures: Array) -> float | None:
    """Standard error s / sqrt(n) of the mean of [n] figures, s^2 the unbiased variance; None for one of them."""
    n = len(figures)
    return float(figures.std(ddof=1)) / math.sqrt(n) if n > 1 else None


def _standardized(readings: Array) -> Array:
    """Shift and scale the columns of [n, A] to mean 0 and mean square 1; columns without variation become 0."""
    varies = np.ptp(readings, 0) > _ROUNDING * np.abs(readings).max(0)
    centered = readings - readings.mean(0)
    scale = np.sqrt((centered * centered).mean(0))
    # NaN compares as False, and must stay: a column that was not read is not one that is constant.
    return np.divide(centered, scale, out=np.zeros_like(centered), where=varies | np.isnan(scale))
