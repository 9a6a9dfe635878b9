"""Training steps of presets: ratios of what the host's own loop took, and a preset that is too slow."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from linkgan_plugin.bench import cost
from linkgan_plugin.selftest import steps
from linkgan_plugin.selftest.context import Context
from linkgan_plugin.selftest.rows import OK, SKIPPED


@pytest.fixture
def context() -> Context:
    return Context(torch.device("cpu"), True, time.monotonic() + 60)


def test_a_preset_has_times_memory_and_their_ratios(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def measured(specs: Any, data: Any, recipe: Any, **how: Any) -> list[dict[str, Any]]:
        asked.update(how, links=len(specs[0]))
        return [
            {
                "time_ratio": 1.25,
                "memory_ratio": 1.5,
                "rounds": 1,
                "block_steps": 16,
                "step_seconds_with": [0.05],
                "step_seconds_without": [0.04],
                "peak_bytes_with": 3 * 2**20,
                "peak_bytes_without": 2 * 2**20,
            }
        ]

    monkeypatch.setattr(cost, "measure_cost", measured)
    rows = list(steps.rows(context))
    assert [(row.name, row.value, row.unit, row.verdict) for row in rows] == [
        ("tiny, 8 px, batch 4, step without links", 40.0, "ms", OK),
        ("tiny, 8 px, batch 4, step with links / without", 1.25, "", OK),
        ("tiny, 8 px, batch 4, peak memory without links", 2.0, "MiB", OK),
        ("tiny, 8 px, batch 4, peak memory with links / without", 1.5, "", OK),
    ]
    assert (asked["cfg"], asked["batch"], asked["device"], asked["links"]) == ("tiny", 4, "cpu", 2)


def test_a_preset_that_takes_too_long_is_skipped_and_says_how_long_a_step_took(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    context.deadline = 60.0

    def slow(*args: Any, progress: Any, **how: Any) -> None:
        for _ in range(100):
            now[0] += 25
            progress()

    monkeypatch.setattr(cost, "measure_cost", slow)
    presets = (steps.Measured("tiny", 8, 16), steps.Measured("heads3d", 8, 4))
    monkeypatch.setattr(steps, "QUICK", presets)
    row = next(steps.rows(context))
    assert (row.name, row.verdict) == ("tiny, 8 px", SKIPPED)
    assert "after 2 steps of 25 s" in row.why
