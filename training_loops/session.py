"""How one process executes a run: rank, device, whether to resume, and callbacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Session:
    """How one process executes a run; it does not affect training.

    Attributes:
        rank: number of the process, from 0; `torch.distributed` must be initialised where there are several.
        device: the device; None for the CUDA device of this rank on its machine, or the CPU without CUDA.
        restart: resume the run in the folder exactly, instead of starting a new one.
        verbose: print the lines of log.txt.
        tensorboard: write TensorBoard events.
        abort_fn: called after every step on every rank; once it returns true (and keeps returning true), the run stops
            and can be resumed.
        progress_fn: called after every step with the images seen and the total.
    """

    rank: int = 0
    device: torch.device | str | None = None
    restart: bool = False
    verbose: bool = True
    tensorboard: bool = True
    abort_fn: Callable[[], bool] | None = None
    progress_fn: Callable[[int, int], None] | None = None
