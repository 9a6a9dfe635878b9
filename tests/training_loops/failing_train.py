"""`linkgan train` in which one rank dies before a given step: python failing_train.py RANK STEP ARGS..."""

from __future__ import annotations

import os
import signal
import sys

from linkgan_plugin.cli import main
from training_loops import training_loop
from training_loops.run import Run

RANK, STEP = int(sys.argv[1]), int(sys.argv[2])
step = training_loop._step


def failing_step(run: Run, total_nimg: int) -> None:
    if run.rank == RANK and run.progress.step == STEP:
        os.kill(os.getpid(), signal.SIGKILL)
    step(run, total_nimg)


training_loop._step = failing_step
main(["train", *sys.argv[3:]])
