"""A self-test as a whole: sections that fail, that take too long, and that are interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import torch

from linkgan_plugin.bench.cost import Stopped
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.selftest import job
from linkgan_plugin.selftest.context import Context
from linkgan_plugin.selftest.job import Job
from linkgan_plugin.selftest.rows import FAILED, OK, SKIPPED, Row

CPU = torch.device("cpu")


def found(section: str, *steps: Callable[[Context], object]) -> job.Section:
    """A section that finds one row and then does something."""

    def rows(context: Context) -> Iterator[Row]:
        yield Row(section, "first", 1.0)
        for step in steps:
            step(context)
        yield Row(section, "last", 2.0)

    return rows


def fails(context: Context) -> None:
    raise RuntimeError("out of memory\nmore about it")


def interrupted(context: Context) -> None:
    raise KeyboardInterrupt


def stopped(context: Context) -> None:
    raise Stopped


def sections(monkeypatch: pytest.MonkeyPatch, **rows: job.Section) -> None:
    monkeypatch.setattr(job, "SECTIONS", rows)


def outcome(rows: list[Row]) -> list[tuple[str, str, str]]:
    return [(row.section, row.name, row.verdict) for row in rows]


def test_a_section_that_fails_keeps_its_rows_and_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    sections(monkeypatch, a=found("a", fails), b=found("b"))
    rows = Job(CPU).run()
    assert outcome(rows) == [
        ("a", "first", OK),
        ("a", "this section", FAILED),
        ("b", "first", OK),
        ("b", "last", OK),
    ]
    assert rows[1].why == "RuntimeError: out of memory"


@pytest.mark.parametrize("interruption", [interrupted, stopped])
def test_ctrl_c_keeps_what_was_found(
    interruption: Callable[[Context], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    sections(monkeypatch, a=found("a", interruption), b=found("b"))
    tested = Job(CPU)
    assert outcome(tested.run()) == [("a", "first", OK)]
    assert tested.interrupted


def test_what_does_not_fit_into_the_time_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(context: Context) -> None:
        now[0] += 90
        context.step()

    sections(monkeypatch, a=found("a", slow, slow), b=found("b"))
    rows = Job(CPU, minutes=2).run()
    assert outcome(rows) == [("a", "first", OK), ("a", "the rest", SKIPPED), ("b", "all", SKIPPED)]
    assert "--minutes" in rows[-1].why


def test_a_measurement_that_fails_does_not_end_its_section() -> None:
    context = Context(CPU, True, time.monotonic() + 60)
    measured = [
        *context.guarded("a", "one", found("a", fails)(context)),
        *context.guarded("a", "two", found("a")(context)),
    ]
    assert outcome(measured) == [("a", "first", OK), ("a", "one", FAILED), ("a", "first", OK), ("a", "last", OK)]


def test_only_the_named_sections_run_and_unknown_ones_are_refused() -> None:
    assert Job(CPU, only=["resume", "machine"]).sections == ["machine", "resume"]
    with pytest.raises(LinkGANError, match=r"'numeric'.*did you mean 'numerics'"):
        Job(CPU, only=["numeric"])
