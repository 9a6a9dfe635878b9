"""A loss that lets two training loops in two processes take turns, and times whole optimizer steps of each."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from typing import Any

import torch

from ..calls.build import build_by_name

# This process's end of the pipe to the one that hands out the turns; loops make their loss from plain data, so it
# cannot be passed to it.
connection: Connection | None = None


class Done(Exception):
    """The other end of the pipe has all it wanted: ends the training loop."""


class InterleavedLoss:
    """The host's own loss, unchanged; before every `block`-th step it waits for its turn.

    A turn lasts from one step's first call to the same place `block` steps later, so all of a step counts: data,
    optimizers, the moving average. Its seconds are sent when the turn ends.

    Args:
        device, networks: as the host's loop passes them. base_class_name, base_kwargs: the host's own loss.
        block: optimizer steps of a turn; a multiple of every interval of the host.
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
            raise RuntimeError("InterleavedLoss is for child processes of `linkgan bench train`")
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
                self._take_turn()
            self._step += 1
        self._base.accumulate_gradients(phase=phase, cur_nimg=cur_nimg, **call)

    def _take_turn(self) -> None:
        """End the last turn, and wait for the next."""
        self._pipe.send(self._now() - self._started if self._step else None)
        if not self._pipe.recv():
            raise Done
        self._started = self._now()

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
