"""Claims by simulation: how often equal recipes are called different, and real differences found."""

from __future__ import annotations

import numpy as np
import pytest

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics.claims import Claim, claim, last_quarter, over_snapshots


@pytest.mark.parametrize(("data", "seeds", "expected"), [("faces", 5, 0.08), ("photographs", 3, 0.12)])
def test_equal_recipes_are_called_different_as_often_as_the_docstring_says(data, seeds, expected) -> None:
    random = np.random.default_rng(0)
    runs = random.normal(2, 0.25, size=(4000, 2, seeds))
    false = np.mean([claim(a, b, data=data).verdict != Claim.SAME for a, b in runs])
    assert false == pytest.approx(expected, abs=0.02)


def test_a_difference_of_four_deviations_is_found_and_has_its_direction() -> None:
    random = np.random.default_rng(1)
    verdicts = [claim(random.normal(1, 0.1, 5), random.normal(1.4, 0.1, 5)).verdict for _ in range(200)]
    assert verdicts.count(Claim.BETTER) > 195
    assert Claim.WORSE not in verdicts
    assert claim([2.0, 2.1, 2.2], [1.0, 1.1, 1.2], data="photographs").verdict == Claim.WORSE


def test_the_figures_are_those_of_welch() -> None:
    found = claim([1.0, 2.0, 3.0], [2.0, 4.0, 6.0, 8.0, 10.0], data="photographs")
    assert found.difference == pytest.approx(-4)
    assert found.stderr == pytest.approx((1 / 3 + 10 / 5) ** 0.5)
    assert found.ratio == pytest.approx(2 / 6)
    assert found.verdict == Claim.BETTER
    assert "-4 ± 1.5 over 3 seeds" in found.reason


def test_two_standard_errors_are_not_enough_and_more_are() -> None:
    base = [0.0, 1.0, 2.0, 3.0, 4.0]  # deviation sqrt(2.5): the difference's error is exactly 1
    assert claim([value + 2 for value in base], base).verdict == Claim.SAME
    assert claim([value + 2.01 for value in base], base).verdict == Claim.WORSE


def test_too_few_seeds_claim_nothing_however_large_the_difference() -> None:
    found = claim([1.0, 1.01, 1.0, 1.0], [9.0, 9.01, 9.0, 9.0, 9.0])
    assert (found.verdict, found.reason) == (Claim.SAME, "4 seeds; 5 are needed on faces")
    single = claim([1.0], [2.0], data="photographs")
    assert (single.verdict, single.stderr, single.reason) == (Claim.SAME, None, "1 seed; 3 are needed on photographs")
    with pytest.raises(LinkGANError, match="expected finite numbers"):
        claim([float("nan")], [1.0])
    with pytest.raises(LinkGANError, match="expected finite numbers"):
        claim([], [1.0])


def test_a_runs_figure_is_the_mean_over_its_last_quarter() -> None:
    snapshots = {f"{kimg}.pt": float(kimg) for kimg in (120, 30, 60, 90, 100)}
    assert last_quarter(snapshots) == ["90.pt", "100.pt", "120.pt"]
    assert over_snapshots(snapshots, lambda name: snapshots[name]) == pytest.approx(310 / 3)
    assert last_quarter({"only": 0.0}) == ["only"]
    with pytest.raises(LinkGANError, match="no snapshots"):
        over_snapshots({}, lambda name: 0.0)


def test_of_many_snapshots_five_are_measured_evenly() -> None:
    snapshots = {str(kimg): float(kimg) for kimg in range(1, 81)}
    assert last_quarter(snapshots, most=5) == ["60", "65", "70", "75", "80"]
    assert len(last_quarter(snapshots)) == 21
    chosen = (61, 69, 73, 77, 80, 65)  # six in the last quarter of a run: one of them is left out
    assert last_quarter({str(kimg): float(kimg) for kimg in (57, *chosen)}, 5) == ["61", "65", "69", "77", "80"]
    assert last_quarter({"a": 9.0, "b": 10.0}, most=5) == ["a", "b"]
    squares = over_snapshots(snapshots, lambda name: float(name) ** 2, most=5)
    assert squares == pytest.approx((60**2 + 65**2 + 70**2 + 75**2 + 80**2) / 5)
