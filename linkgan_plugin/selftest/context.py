"""What a section of the self-test is given: device, size and time, and protection of its rows from failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from ..bench.cost import Stopped
from .rows import FAILED, Row, one_line


class OutOfTime(Exception):
    """The budget of the self-test is used up."""


@dataclass
class Context:
    """The conditions of a section.

    Attributes:
        device: to test.
        quick: very small networks and few steps.
        deadline: when the budget ends, by `time.monotonic`.
        host_dir: the folder of a host; None for none.
        tick: called with the units of work since the last call.
    """

    device: torch.device
    quick: bool
    deadline: float
    host_dir: Path | None = None
    tick: Callable[[int], object] = lambda units: None

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    @property
    def seconds_left(self) -> float:
        """Seconds until the budget ends."""
        return self.deadline - time.monotonic()

    def check_time(self) -> None:
        """Raise OutOfTime if the budget is used up."""
        if self.seconds_left <= 0:
            raise OutOfTime("the time was used up; give more with --minutes, or choose sections with --only")

    def step(self) -> None:
        """Record one unit of work; raises OutOfTime if the budget is used up."""
        self.tick(1)
        self.check_time()

    def guarded(self, section: str, name: str, measured: Iterator[Row]) -> Iterator[Row]:
        """Yield the rows of one measurement; a failure becomes a row, and the next measurement runs.

        Args:
            section: of the rows.
            name: of the measurement, for the row of a failure.
            measured: yields the rows.
        Raises:
            OutOfTime: the budget is used up.
        """
        self.step()
        try:
            yield from measured
        except (OutOfTime, Stopped):
            raise
        except Exception as error:
            reason = one_line(error)
        else:
            return
        # After the exception is gone, and with it the tensors of its frames, which may have filled the memory.
        if self.on_gpu:
            torch.cuda.empty_cache()
        yield Row(section, name, verdict=FAILED, why=reason)
