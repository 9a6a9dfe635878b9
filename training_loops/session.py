"""How one process carries a run out: its rank and device, whether it goes on, whom it reports to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Session:
    """How one process carries a run out, once; nothing in it changes what is learned.

    Attributes:
        rank: number of the process, from 0; `torch.distributed` must be initialised where there are several.
        device: what it works on; None for CUDA device `rank` if there is one, else the CPU.
        restart: go on with the run in the folder exactly, instead of beginning one.
        verbose: print the lines of log.txt.
        tensorboard: write TensorBoard events.
        abort_fn: asked after every step on every rank; once it returns true (and goes on to), the run stops so that it
            can be continued.
        progress_fn: called after every step with the images seen and their total.
    """

    rank: int = 0
    device: torch.device | str | None = None
    restart: bool = False
    verbose: bool = True
    tensorboard: bool = True
    abort_fn: Callable[[], bool] | None = None
    progress_fn: Callable[[int, int], None] | None = None
