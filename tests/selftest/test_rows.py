"""Rows of the self-test: verdicts by tolerance, and texts that identify nobody."""

from __future__ import annotations

import getpass
import platform
from pathlib import Path

import pytest

from linkgan_plugin.selftest.rows import FAILED, OK, SKIPPED, WARN, Row, anonymous, counted, one_line, table, within


@pytest.mark.parametrize(
    ("error", "verdict"),
    [(0.0, OK), (2.0, OK), (2.1, WARN), (8.0, WARN), (8.1, FAILED), (float("inf"), FAILED), (float("nan"), FAILED)],
)
def test_an_error_is_judged_by_its_tolerance(error: float, verdict: str) -> None:
    found, why = within(error, 2.0, "1/255")
    assert found == verdict
    assert "2 1/255" in why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No such file: '/data/faces of me/x.zip'", "No such file: '.../x.zip'"),
        ("see /opt/conda/lib/python3.11/torch/cuda.py:12", "see .../cuda.py:12"),
        (r"C:\work\things\train.py fails", ".../train.py fails"),
        (f"{Path.home()}/code/eg3d", ".../eg3d"),
        ("3.5 1/255, 2 GB/s, images/s / bare synthesis, with / without", None),
        ("https://pytorch.org", None),
    ],
)
def test_folders_are_not_reported(text: str, expected: str | None) -> None:
    assert anonymous(text) == (text if expected is None else expected)


def test_names_of_user_and_machine_are_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    monkeypatch.setattr(platform, "node", lambda: "gpu-17.lab")
    row = Row("host", "step", "ada at gpu-17.lab", why="ada has no adapter")
    assert row.to_json()["value"] == "USER at HOST"
    assert row.to_json()["why"] == "USER has no adapter"
    assert "gpu-17" not in table([row])


def test_an_exception_is_one_line() -> None:
    assert one_line(RuntimeError("\n  CUDA error\nmore")) == "RuntimeError: CUDA error"
    assert one_line(KeyError()) == "KeyError"


def test_the_table_gives_reasons_where_something_is_not_ok() -> None:
    rows = [Row("a", "speed", 12.3456, "ms", why="not shown"), Row("a", "bits", verdict=SKIPPED, why="no GPU")]
    text = table(rows)
    assert "12.35 ms" in text
    assert "not shown" not in text
    assert "no GPU" in text
    assert counted(rows) == {OK: 1, WARN: 0, FAILED: 0, SKIPPED: 1}
