"""Turns and ratios: both sides get the same turns, and the figures are the rounds' own."""

from __future__ import annotations

import pytest

from linkgan_plugin.bench.ratio import paired_ratio, take_turns


def test_the_ratio_is_the_median_over_rounds_with_its_middle_half():
    ratio = paired_ratio([1.0, 2.0, 3.0, 4.0, 50.0], [1.0, 1.0, 1.0, 1.0, 1.0])
    assert (ratio.value, ratio.low, ratio.high, ratio.rounds) == (3.0, 2.0, 4.0, 5)
    assert str(ratio) == "3.000 (2.000 - 4.000)"


def test_a_round_that_only_one_side_had_does_not_count():
    assert paired_ratio([2.0, 100.0], [1.0]).value == 2.0
    with pytest.raises(ValueError, match="no round"):
        paired_ratio([1.0], [])


def test_sides_take_turns_and_the_first_round_only_warms_up():
    order = []

    def side(name: str, seconds: float):
        def work() -> float:
            order.append(name)
            return seconds + len(order)

        return work

    first, second = take_turns(side("a", 100.0), side("b", 200.0), 3)
    assert "".join(order) == "ba" + "ab" + "ba" + "ab"
    assert first == [103.0, 106.0, 107.0]
    assert second == [204.0, 205.0, 208.0]
