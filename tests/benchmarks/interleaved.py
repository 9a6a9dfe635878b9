"""A loss that interleaves two training loops in two processes, and times whole optimizer steps of each."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from typing import Any

import torch

from linkgan_plugin.calls.build import build_by_name

# This process's end of the pipe to the one that says whose block is next; loops make their loss from plain data, so it
# cannot be passed to it.
connection: Connection | None = None


class Done(Exception):
    """The other end of the pipe has all it wanted: ends the training loop."""


class InterleavedLoss:
    """The host's own loss, unchanged; before every `block`-th step it waits until it may go on.

    A block lasts from one step's first call to the same place `block` steps later, so all of a step counts: data,
    optimizers, the moving average. Its seconds are sent when the block ends.

    Args:
        device: as the host's loop passes it.
        base_class_name: the host's own loss.
        base_kwargs: its arguments.
        block: optimizer steps of a block; a multiple of every interval of the host.
        networks: as the host's loop passes them.
    """

    def __init__(
        self,
        device: Any,
        *,
        base_class_name: str,
        base_kwargs: dict[str, Any],
        block: int,
        **networks: Any,
    ) -> None:
        if connection is None:
            raise RuntimeError("InterleavedLoss is for the child processes of a benchmark")
        self._pipe, self._device, self._block = connection, torch.device(device), block
        self._base = build_by_name(base_class_name, device=device, **networks, **base_kwargs)
        self._step, self._nimg, self._started = 0, -1, 0.0

    def __getattr__(self, name: str) -> Any:
        if name == "_base":
            raise AttributeError(name)
        return getattr(self._base, name)

    def accumulate_gradients(self, phase: str, cur_nimg: int, **call: Any) -> None:
        """Do what the host's own loss does, at a step's first call perhaps after waiting."""
        if cur_nimg != self._nimg:
            self._nimg = cur_nimg
            if self._step % self._block == 0:
                self._wait()
            self._step += 1
        self._base.accumulate_gradients(phase=phase, cur_nimg=cur_nimg, **call)

    def _wait(self) -> None:
        """End the last block, and wait for the next."""
        self._pipe.send(self._now() - self._started if self._step else None)
        if not self._pipe.recv():
            raise Done
        self._started = self._now()

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
