"""What a network is used for: each use gives a number, and results that are not finite fail."""

from __future__ import annotations

import time

import pytest
import torch

from linkgan_plugin.selftest import using
from linkgan_plugin.selftest.context import Context
from linkgan_plugin.selftest.rows import FAILED, OK

CPU = torch.device("cpu")


def test_every_use_is_timed() -> None:
    rows = list(using.rows(Context(CPU, True, time.monotonic() + 60)))
    assert [(row.name, row.unit, row.verdict) for row in rows] == [
        ("region metrics", "pairs/s", OK),
        ("region metrics, images/s / bare synthesis", "", OK),
        ("edit, 8 px", "ms", OK),
        ("projection, one step, 8 px", "ms", OK),
        ("encoder, one pass, 8 px", "ms", OK),
        ("segmentation, 8 px", "ms", OK),
    ]
    assert all(row.value > 0 for row in rows)


def test_a_use_that_gives_no_finite_result_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    context, generator = Context(CPU, True, time.monotonic() + 60), using.network(8, CPU)
    row = using._timed_row("edit", lambda: torch.tensor([1.0, float("nan")]), context, generator)
    assert (row.verdict, row.why) == (FAILED, "the result is not finite")
