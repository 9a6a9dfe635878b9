"""Time and memory of training steps of the embedded host, with and without links, by preset."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..bench import cost
from ..recipes import make_recipe
from .context import Context
from .rows import SKIPPED, Row

SECTION = "training"
_MIB = 2**20


@dataclass(frozen=True)
class Measured:
    """One preset at one size.

    Attributes:
        cfg: the preset.
        side: of the images, in pixels.
        images: of the procedural data set.
        changes: of the preset; attributes of `TrainingRequest`.
    """

    cfg: str
    side: int
    images: int = 64
    changes: Mapping[str, Any] = field(default_factory=dict)


QUICK = (Measured("tiny", 8, 16, {"cbase": 16, "cmax": 4, "batch": 4}),)
ON_CPU = (Measured("tiny", 32), Measured("heads3d", 32, 16, {"batch": 4}))
# Batches of one GPU's share of the public 8-GPU runs.
ON_GPU = (
    Measured("tiny", 32),
    Measured("stylegan2", 256, 16, {"batch": 8}),
    Measured("eg3d", 256, 8, {"batch": 4}),
)


def rows(context: Context) -> Iterator[Row]:
    """Yield for each preset the seconds of a step, the peak memory, and the ratios of both with links to without."""
    chosen = QUICK if context.quick else ON_GPU if context.on_gpu else ON_CPU
    for number, measured in enumerate(chosen):
        share = context.seconds_left / (len(chosen) - number)
        yield from context.guarded(SECTION, _name(measured), _preset(context, measured, share))


def _name(measured: Measured) -> str:
    batch = f", batch {measured.changes['batch']}" if "batch" in measured.changes else ""
    return f"{measured.cfg}, {measured.side} px{batch}"


def _preset(context: Context, measured: Measured, seconds: float) -> Iterator[Row]:
    """Yield the rows of one preset; one that would take longer than its share of the time ends early."""
    deadline = time.monotonic() + seconds
    started: list[float] = []

    def progress() -> None:
        context.tick(1)
        started.append(time.monotonic())
        if started[-1] > deadline:
            raise _TooSlow

    name = _name(measured)
    try:
        with cost.procedural(measured.cfg, [measured.side], images=measured.images) as data:
            (row,) = cost.measure_cost(
                [cost.boxes(2)],
                data,
                make_recipe(),
                cfg=measured.cfg,
                rounds=1 if context.quick or measured.cfg != "tiny" else 2,
                device=str(context.device),
                threads=None,
                progress=progress,
                **measured.changes,
            )
    except _TooSlow:
        yield _unfinished(name, started)
        return
    yield from _of(name, row)


class _TooSlow(Exception):
    """A preset has used its share of the time."""


def _unfinished(name: str, started: list[float]) -> Row:
    steps = len(started)
    each = statistics.median(b - a for a, b in itertools.pairwise(started)) if steps > 1 else float("nan")
    why = f"its share of the time was used up after {steps} steps of {each:.3g} s; give more with --minutes"
    return Row(SECTION, name, verdict=SKIPPED, why=why)


def _of(name: str, row: Mapping[str, Any]) -> Iterator[Row]:
    seconds = {kind: statistics.median(row[f"step_seconds_{kind}"]) for kind in cost.KINDS}
    peaks = {kind: row[f"peak_bytes_{kind}"] / _MIB for kind in cost.KINDS}
    yield Row(SECTION, f"{name}, step without links", 1e3 * seconds["without"], "ms")
    note = f"from {row['rounds'] * row['block_steps']} steps of each kind; other load on the machine affects it"
    yield Row(SECTION, f"{name}, step with links / without", row["time_ratio"], why=note)
    yield Row(SECTION, f"{name}, peak memory without links", peaks["without"], "MiB")
    yield Row(SECTION, f"{name}, peak memory with links / without", row["memory_ratio"])
