"""Ratios of two costs measured alternately, so that other load on the machine affects both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ratio:
    """The median over `rounds` of a ratio; `low` and `high` are its quartiles."""

    value: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} - {self.high:.3f})"


def paired_ratio(top: Sequence[float], bottom: Sequence[float]) -> Ratio:
    """Return the ratio top[i] / bottom[i] over all rounds i that both sides have.

    Raises:
        ValueError: no such round exists.
    """
    rounds = min(len(top), len(bottom))
    if rounds == 0:
        raise ValueError("no round of both sides was measured")
    ratios = np.asarray(top[:rounds], np.float64) / np.asarray(bottom[:rounds], np.float64)
    low, value, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
    return Ratio(value, low, high, rounds)


def take_turns(
    first: Callable[[], float], second: Callable[[], float], rounds: int, progress: Callable[[], object] = lambda: None
) -> tuple[list[float], list[float]]:
    """Call both `rounds` times, and once before to warm up; the order alternates from round to round.

    Args:
        first: does the work to measure and returns its seconds.
        second: does the work to compare with and returns its seconds.
        rounds: number of timed calls of each.
        progress: called after every round.
    Returns:
        The seconds of first and of second, one each per round.
    """
    sides, seconds = (first, second), ([], [])  # type: tuple[Callable[[], float], ...], tuple[list[float], list[float]]
    for number in range(rounds + 1):
        for side in (0, 1) if number % 2 else (1, 0):
            elapsed = sides[side]()
            if number:
                seconds[side].append(elapsed)
        progress()
    return seconds
