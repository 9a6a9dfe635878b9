"""Measuring large images: every job runs alone at a small size, and its figures are a table."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from linkgan_plugin.cli import UserError
from tests.benchmarks import large_images
from tests.benchmarks.large_images import main, run, time_ratio

_SIZES = '{"cbase": 32, "cmax": 4, "w_dim": 64, "z_dim": 64}'


def test_an_average_step_has_the_links_and_the_lazy_terms_at_their_intervals():
    parts = {"G": 2.0, "Greg": 4.0, "D": 3.0, "Dreg": 16.0, "links": 2.8}
    assert time_ratio(parts) == pytest.approx(1 + 0.7 / (2 + 1 + 3 + 1))


def test_jobs_run_and_are_in_the_table(monkeypatch):
    monkeypatch.setattr(large_images, "_USES", ("page",))  # every job is a process, which imports torch
    words = ["--cfg", "tiny", "--resolution", "16", "--links", "2", "--sizes", _SIZES]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in result.stdout.splitlines() if "GB" in line]
    assert [row[0] for row in rows] == [
        "a training step of 4 images, without links",
        "a training step of 4 images, 2 links",
        *("page", "measure, four times the pairs"),
    ]
    assert float(rows[1][3]) > 0
    assert float(rows[1][4]) > 1


def test_a_job_that_fails_is_reported_with_its_message():
    with pytest.raises(UserError, match=r"(?s)load failed with status 1:.*gone.pt: no such file"):
        run("load", {"snapshot": "gone.pt", "threads": 1})
