"""Estimates: a number with its standard error, from per-pair figures. Float64 throughout."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A metric's value over `n` pairs and its standard error; NaN-free: None where nothing could be measured."""

    value: float | None
    stderr: float | None
    n: int


NOTHING = Estimate(None, None, 0)


def shown(value: float | None, stderr: float | None) -> str:
    """Return a figure as people read it: ``0.1234 ± 0.0056``, without the error where there is none, or ``n/a``."""
    if value is None:
        return "n/a"
    return f"{value:.4f}" if stderr is None else f"{value:.4f} ± {stderr:.4f}"


def mean(values: Array) -> Estimate:
    """Mean of [n] figures, with standard error s / sqrt(n)."""
    n = len(values)
    if n == 0:
        return NOTHING
    spread = float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else None
    return Estimate(float(values.mean()), spread, n)


def ratio(numerator: Array, denominator: Array) -> Estimate:
    """Ratio of means of two [n] figures, with the delta method's standard error; nothing where it is x / 0."""
    n = len(numerator)
    if n == 0 or denominator.mean() == 0:
        return NOTHING
    value = float(numerator.mean() / denominator.mean())
    if n == 1:
        return Estimate(value, None, 1)
    residual = numerator - value * denominator
    return Estimate(value, float(residual.std(ddof=1) / math.sqrt(n) / abs(denominator.mean())), n)


def pearson(first: Array, second: Array) -> Array:
    """Return Pearson's r [A] between the columns of two [n, A] readings.

    A column without variation has no correlation to show: r = 0, since nothing of the second is in the first.
    """
    a, b = first - first.mean(0), second - second.mean(0)
    scale = np.sqrt((a * a).sum(0) * (b * b).sum(0))
    return np.divide((a * b).sum(0), scale, out=np.zeros_like(scale), where=scale > 0)


def correlation(first: Array, second: Array) -> Estimate:
    """Mean over columns of `pearson` between [n, A] readings, with Fisher's standard error of that mean."""
    n = len(first)
    if n < 3 or first.shape[1] == 0:
        return NOTHING
    r = pearson(first, second)
    error = np.sqrt(((1 - r * r) ** 2).sum()) / len(r) / math.sqrt(n - 1)
    return Estimate(float(r.mean()), float(error), n)
