"""Verdicts of planted figures: five seeds, differences just below and above two standard errors."""

from __future__ import annotations

import pytest

from linkgan_plugin.bench.verdicts import add_verdicts, markdown_verdicts, verdict_rows
from linkgan_plugin.metrics.claims import Claim

BASE = [0.0, 1.0, 2.0, 3.0, 4.0]  # deviation sqrt(2.5): the standard error of a difference is exactly 1


def runs_of(row: str, quality, edited=None, unlinked=None) -> list[dict]:
    return [
        {
            "row": row,
            "quality": value,
            "edited_quality": {} if edited is None else edited[seed],
            "unlinked_edited_quality": {} if unlinked is None else unlinked[seed],
        }
        for seed, value in enumerate(quality)
    ]


def rows_of(*names: str, links=("eyes", "mouth")) -> list[dict]:
    return [{"row": name, "baseline": "unlinked", "links": list(links)} for name in names]


@pytest.mark.parametrize(
    ("shift", "verdict"), [(2.01, Claim.WORSE), (1.99, Claim.SAME), (-1.99, Claim.SAME), (-2.01, Claim.BETTER)]
)
def test_a_difference_of_more_than_two_standard_errors_is_a_verdict(shift: float, verdict: str) -> None:
    rows = rows_of("unlinked", "linked")
    add_verdicts(rows, runs_of("unlinked", BASE) + runs_of("linked", [value + shift for value in BASE]), "faces")
    assert rows[0]["verdicts"] == {}
    found = rows[1]["verdicts"]["quality"]
    assert (found["verdict"], found["difference"]) == (verdict, pytest.approx(shift))
    assert found["stderr"] == pytest.approx(1)
    assert found["ratio"] == pytest.approx((2 + shift) / 2)
    ((row, figure, baseline, shown, *_, reason),) = verdict_rows(rows)
    assert (row, figure, baseline, shown) == ("linked", "quality", "unlinked", verdict)
    assert f"difference {shift:.4g} ± 1 over 5 seeds" in reason
    assert reason in markdown_verdicts(rows)


def test_photographs_need_three_seeds_and_faces_five() -> None:
    runs = runs_of("unlinked", [1.0, 1.01, 1.02]) + runs_of("linked", [5.0, 5.01, 5.02])
    for data, verdict in (("photographs", Claim.WORSE), ("faces", Claim.SAME)):
        rows = rows_of("unlinked", "linked")
        add_verdicts(rows, runs, data)
        assert rows[1]["verdicts"]["quality"]["verdict"] == verdict
    assert rows[1]["verdicts"]["quality"]["reason"] == "3 seeds; 5 are needed on faces"


def test_edited_quality_is_the_mean_over_the_edits_of_single_links() -> None:
    base = [{"eyes": value, "mouth": value + 2, "eyes+mouth": 50.0, "rest": 90.0} for value in BASE]
    edited = [{**edits, "eyes": edits["eyes"] + 6, "rest": 10.0} for edits in base]
    rows = rows_of("unlinked", "linked")
    add_verdicts(rows, runs_of("unlinked", BASE, base) + runs_of("linked", BASE, edited), "faces")
    found = rows[1]["verdicts"]
    assert found["edited quality"]["difference"] == pytest.approx(3)
    assert found["edited quality"]["verdict"] == Claim.WORSE
    assert found["edited quality mouth"]["verdict"] == Claim.SAME
    assert found["edited quality rest"]["verdict"] == Claim.BETTER
    assert found["quality"]["verdict"] == Claim.SAME


def test_a_row_with_axes_of_its_own_is_compared_with_the_baseline_on_these() -> None:
    own = [{"eyes": value} for value in BASE]
    theirs = [{"eyes": value + 4} for value in BASE]
    rows = rows_of("unlinked", "axes-4", links=("eyes",))
    runs = runs_of("unlinked", BASE, [{"eyes": 0.0}] * 5) + runs_of("axes-4", BASE, own, theirs)
    add_verdicts(rows, runs, "faces")
    assert rows[1]["verdicts"]["edited quality"]["difference"] == pytest.approx(-4)


def test_failed_runs_count_as_missing_seeds() -> None:
    rows = rows_of("unlinked", "linked")
    add_verdicts(rows, runs_of("unlinked", BASE) + runs_of("linked", [9.0, None, 9.1, 9.2, 9.3]), "faces")
    assert rows[1]["verdicts"]["quality"]["reason"] == "4 seeds; 5 are needed on faces"
    rows = rows_of("unlinked", "linked")
    add_verdicts(rows, runs_of("unlinked", BASE) + runs_of("linked", [None] * 5), "faces")
    assert rows[1]["verdicts"] == {}
    assert markdown_verdicts(rows) == ""
