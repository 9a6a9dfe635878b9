"""Runs the sections of a self-test one after the other, within a budget of time; a section that fails ends alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..bench.cost import Stopped
from ..errors import LinkGANError, suggest
from . import host, machine, numerics, repeat, several, steps, using
from .context import Context, OutOfTime
from .rows import FAILED, SKIPPED, Row, one_line

Section = Callable[[Context], Iterator[Row]]
# In the order of their cost: a short budget is spent on most of them.
SECTIONS: dict[str, Section] = {
    "machine": machine.rows,
    "numerics": numerics.rows,
    "determinism": repeat.determinism,
    "resume": repeat.resume,
    "using": using.rows,
    "gpus": several.rows,
    "host": host.rows,
    "training": steps.rows,
}


@dataclass
class Job:
    """A self-test.

    Attributes:
        device: to test.
        quick: very small networks and few steps: checks that all of it runs.
        minutes: the budget; sections that do not fit any more are skipped.
        only: names of the sections to run; empty for all.
        host_dir: the folder of a host to test as well.
        progress: called with the section's name and its units of work since the last call.
        rows: what was found so far.
        interrupted: stopped by Ctrl-C.
    """

    device: torch.device
    quick: bool = False
    minutes: float = 3.0
    only: Sequence[str] = ()
    host_dir: Path | None = None
    progress: Callable[[str, int], object] = lambda section, units: None
    rows: list[Row] = field(default_factory=list)
    interrupted: bool = False

    def __post_init__(self) -> None:
        """Check the names of sections.

        Raises:
            LinkGANError: an unknown one; lists the known ones.
        """
        for name in self.only:
            if name not in SECTIONS:
                raise LinkGANError(f"no section {name!r} in the self-test; {suggest(name, SECTIONS)}")

    @property
    def sections(self) -> list[str]:
        """The sections to run, in their order."""
        return [name for name in SECTIONS if not self.only or name in self.only]

    def run(self) -> list[Row]:
        """Run all sections, or stop at Ctrl-C; return the rows found."""
        deadline = time.monotonic() + 60 * self.minutes
        try:
            for name in self.sections:
                self._run_section(name, deadline)
        except (KeyboardInterrupt, Stopped):
            self.interrupted = True
        return self.rows

    def _run_section(self, name: str, deadline: float) -> None:
        context = Context(
            device=self.device,
            quick=self.quick,
            deadline=deadline,
            host_dir=self.host_dir,
            tick=lambda units: self.progress(name, units),
        )
        self.progress(name, 0)
        try:
            context.check_time()
            for row in SECTIONS[name](context):
                self.rows.append(row)  # one by one: what was found stays, whatever happens then
        except OutOfTime as error:
            self.rows.append(Row(name, "the rest" if self._has(name) else "all", verdict=SKIPPED, why=str(error)))
        except (KeyboardInterrupt, Stopped):
            raise
        except Exception as error:
            self.rows.append(Row(name, "this section", verdict=FAILED, why=one_line(error)))

    def _has(self, section: str) -> bool:
        return any(row.section == section for row in self.rows)
