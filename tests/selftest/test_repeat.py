"""Repeated and resumed trainings: the same bits, and which tensor differs where they are not."""

from __future__ import annotations

import time

import pytest
import torch

from linkgan_plugin.selftest import repeat, short_runs
from linkgan_plugin.selftest.context import Context
from linkgan_plugin.selftest.rows import FAILED, OK, WARN, Row


def context(device: str = "cpu") -> Context:
    return Context(torch.device(device), True, time.monotonic() + 60)


def test_a_cpu_repeats_and_resumes_to_the_bit() -> None:
    rows = [*repeat.determinism(context()), *repeat.resume(context())]
    assert [(row.value, row.verdict) for row in rows] == [("same bits", OK)] * 4


def test_a_tensor_that_differs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = iter([{"a": torch.zeros(2), "b": torch.ones(3)}, {"a": torch.zeros(2), "b": torch.tensor([1.0, 1, 1.5])}])
    monkeypatch.setattr(short_runs, "train", lambda *args, **how: None)
    monkeypatch.setattr(short_runs, "tensors", lambda folder: next(trained))
    with short_runs.faces(True) as data:
        (row,) = repeat._twice(context(), "twice", data, data.parent, 0)
    assert row.verdict == FAILED
    assert row.why == "1 of 2 tensors differ, the first is b, by 0.5 at most; on CPUs the bits must be the same"


def test_on_a_gpu_other_bits_are_a_warning_and_on_a_cpu_a_failure() -> None:
    found: list[Row] = [repeat._same_bits("x", "y", context(device), "b differs") for device in ("cpu", "cuda")]
    assert [row.verdict for row in found] == [FAILED, WARN]


def test_a_damaged_snapshot_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = repeat.load_snapshot

    def rounded(path: object, device: object = "cpu") -> object:
        snapshot = opened(path, device)
        snapshot.G.mapping.fc0.weight.data[0, 0] += 1
        return snapshot

    monkeypatch.setattr(repeat, "load_snapshot", rounded)
    snapshot, *_ = repeat.resume(context())
    assert snapshot.verdict == FAILED
    assert "G.mapping.fc0.weight, by 1 at most" in snapshot.why
