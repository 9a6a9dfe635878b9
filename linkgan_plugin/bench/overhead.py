"""A loss plugin that measures the cost of links in any host: blocks of steps with and without links alternate."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from ..calls.generator import HostCall
from ..losses import LinkGANLoss

# Steps per block: a multiple of the hosts' lazy regularization (4 and 16) and of the recipes' intervals.
BLOCK = 16
# The first blocks of each kind warm up allocators and caches.
WARMUP = 1


def linked(step: int) -> bool:
    """Return whether links take part in an optimizer step: blocks with and without links alternate."""
    return step // BLOCK % 2 == 0


class OverheadLoss(LinkGANLoss):
    """LinkGANLoss without its links in every second block of `BLOCK` optimizer steps: ``--loss=linkgan_overhead``.

    Reports the seconds of each step's gradients (on a CPU, processor seconds) as ``Timing/link/with`` and
    ``Timing/link/without``. Both are measured in one run, under the same load; the ratio of their means is the cost of
    the links. Optimizers, data and logs, which links do not affect, are not counted, so the ratio is an upper bound on
    that of whole steps. The trained network is not useful. Nothing is reported until links take part: use
    ``--link-start 0``.
    """

    def __init__(self, device: torch.device | str | None = None, **kwargs: Any) -> None:
        super().__init__(device, **kwargs)
        self._main: str | None = None
        self._step = 0
        self._seconds = 0.0

    def accumulate_gradients(self, phase: str, **call: Any) -> None:
        """Time a call of LinkGANLoss or, in every second block, of the host's own loss."""
        self._main = self._main or phase  # the first phase of every step
        started = self._now()
        super().accumulate_gradients(phase, **call)
        elapsed = self._now() - started
        step = self.clock.step(self._main)
        if step != self._step:
            self._report_step()
            self._step, self._seconds = step, 0.0
        self._seconds += elapsed

    def _accumulate_link(self, phase: str, call: Mapping[str, Any], seen: HostCall) -> None:
        if linked(self.clock.step(self._main or phase)):
            super()._accumulate_link(phase, call, seen)

    def _mixed(self, phase: str) -> AbstractContextManager[None]:
        return super()._mixed(phase) if linked(self.clock.step(self._main or phase)) else nullcontext()

    def _report_step(self) -> None:
        kind = "with" if linked(self._step) else "without"
        warm = self._step >= 2 * WARMUP * BLOCK and self.clock.nimg >= self.start_nimg
        self.host.report(f"Timing/link/{kind}", torch.tensor([self._seconds] if warm else []))

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return time.perf_counter()
        return time.process_time()  # on a busy machine, wall time includes other processes
