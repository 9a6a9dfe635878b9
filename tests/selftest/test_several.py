"""Two processes by torchrun: their sum is right, and their training is that of one process."""

from __future__ import annotations

import sys
import time

import pytest
import torch

from linkgan_plugin.selftest import child, several
from linkgan_plugin.selftest.child import Done
from linkgan_plugin.selftest.context import Context
from linkgan_plugin.selftest.rows import FAILED, OK, SKIPPED


@pytest.fixture
def context() -> Context:
    return Context(torch.device("cpu"), True, time.monotonic() + 120)


def test_two_processes_train_like_one(context: Context) -> None:
    rate, weights = several.rows(context)
    assert (rate.verdict, rate.unit) == (OK, "GB/s")
    assert rate.value > 0
    assert weights.verdict == OK, weights.why
    assert weights.value <= 1e-4


@pytest.mark.parametrize(
    ("done", "verdict", "reason"),
    [
        (
            Done(1, "", "W1127 torch\n[rank1]: RuntimeError: NCCL error\nE1127 failed\n"),
            FAILED,
            "RuntimeError: NCCL error",
        ),
        (Done(1, "", "one\nlast line\n"), FAILED, "last line"),
        (Done(-9, "", ""), FAILED, "it ended with status -9"),
        (Done(None, "", "waiting\n"), SKIPPED, "it did not end within its time; its last line is: waiting"),
    ],
)
def test_processes_that_fail_give_their_reason(
    done: Done, verdict: str, reason: str, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several, "run", lambda *args, **how: done)
    (row,) = several.rows(context)
    assert (row.verdict, row.why) == (verdict, reason)


def test_a_child_is_stopped_at_its_limit_with_its_own_children() -> None:
    script = "import subprocess, sys; print('begun', file=sys.stderr, flush=True); subprocess.run(['sleep', '60'])"
    started = time.monotonic()
    done = child.run([sys.executable, "-c", script], 1.0)
    assert time.monotonic() - started < 30
    assert done.status is None
    assert done.reason.startswith("it did not end within its time")
