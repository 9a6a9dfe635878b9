"""The self-test's sections on the pretend accelerator: no tensor on the wrong device, and the numbers of the CPU."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from linkgan_plugin.bench import cost, overhead
from linkgan_plugin.selftest import numerics, repeat, short_runs, steps, using
from linkgan_plugin.selftest.context import Context
from linkgan_plugin.selftest.rows import OK, SKIPPED, Row
from tests.devices.pretend import DEVICE, Accelerator
from training_loops import presets

Section = Callable[[Context], Iterator[Row]]


@pytest.fixture(autouse=True)
def _known_optimizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fused optimizer knows its devices by name; random numbers must not follow the memory layout."""
    build = presets.build_options

    @functools.wraps(build)
    def plain(*args: Any) -> Any:
        options = build(*args)
        for kwargs in (options.networks.G_opt_kwargs, options.networks.D_opt_kwargs):
            kwargs["foreach"] = False
        return options

    for module in (cost, short_runs):
        monkeypatch.setattr(module, "build_options", plain)
    for module in (cost, overhead):
        monkeypatch.setattr(module, "BLOCK", 2)


def found(section: Section) -> list[Row]:
    with Accelerator():
        return list(section(Context(DEVICE, True, time.monotonic() + 120)))


@pytest.mark.parametrize("section", [repeat.determinism, using.rows, steps.rows])
def test_a_section_finds_nothing_wrong_there(section: Section) -> None:
    rows = found(section)
    assert len(rows) >= 1
    assert [row for row in rows if row.verdict not in (OK, SKIPPED)] == []


def test_the_errors_there_are_those_of_single_precision() -> None:
    rows = found(numerics.rows)
    assert [row for row in rows if row.verdict not in (OK, SKIPPED)] == []
    assert {row.name for row in rows} >= {f"{family} fp32, image" for family in ("StyleGAN2", "StyleGAN3", "EG3D")}
    (image,) = (row.value for row in rows if row.name == "StyleGAN2 fp32, image")
    assert 0 < image < 0.01
