"""Demos of every kind, very small; one is stopped by Ctrl-C in the middle of training and then gone on with."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from linkgan_plugin.demos import training
from linkgan_plugin.demos.faces import FacesDemo
from linkgan_plugin.demos.heads3d import HeadsDemo, HeadsSize
from linkgan_plugin.demos.job import run_demo
from linkgan_plugin.demos.kind import Kind, Size
from linkgan_plugin.demos.semantic import SemanticDemo, SemanticSize
from linkgan_plugin.errors import Interrupted
from linkgan_plugin.report import turntable, video
from linkgan_plugin.runs import has_seen
from training_loops.training_loop import OPTIONS_FILE, STATE_FILE

COMMAND = "linkgan demo --test"
KINDS: dict[str, Callable[[Path], Kind]] = {
    "faces": lambda out: FacesDemo(out, 3, Size(data=64, kimg=0.128, pairs=4, quality_images=60)),
    "semantic": lambda out: SemanticDemo(
        out, 3, SemanticSize(data=64, kimg=0.064, pairs=4, quality_images=60, labelled=32, steps=20)
    ),
    "3d": lambda out: HeadsDemo(out, 3, HeadsSize(data=48, kimg=0.008, pairs=4, quality_images=52, base=0.016)),
}
STOPPED = "faces"  # which training does not differ between kinds


@dataclass(frozen=True)
class Finished:
    """A demo, its report, and when its first trainings had last saved their states if it was stopped once."""

    kind: Kind
    report: dict[str, Any]
    stopped: dict[str, int]


def continued_by(send: Callable[[int], None], number: int) -> None:
    """Send a signal to a stopped process, and let it go on: the signal is the first that it sees."""
    send(number)
    send(signal.SIGCONT)


def stopped_once(kind: Kind) -> dict[str, int]:
    """Run a demo, stop it when its first networks have begun, and return when those had last saved their states."""
    first: list[str] = []

    def interrupted(running: dict[str, Any], kind: Kind) -> None:
        first.extend(running)
        for network, child in running.items():
            while not (kind.run_dir(network) / OPTIONS_FILE).exists():
                assert child.poll() is None, (kind.out / f"{network}.log").read_text()
                time.sleep(0.01)
            child.send_signal(signal.SIGSTOP)  # or the faster one would be done before both can be interrupted
            child.send_signal = partial(continued_by, child.send_signal)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(training, "follow", interrupted)
        with pytest.raises(Interrupted):
            run_demo(kind, command=COMMAND)
    # On a busy machine one may have been done before it could be stopped.
    unfinished = [network for network in first if not has_seen(kind.run_dir(network), kind.kimg(network))]
    return {network: (kind.run_dir(network) / STATE_FILE).stat().st_mtime_ns for network in unfinished}


def finish(kind: Kind, stopped: dict[str, int]) -> Finished:
    """Run a demo to its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(turntable, "AMOUNTS", (0.5, 1.0))
        patch.setattr(video, "STEPS", 3)
        patch.setattr(video, "HOLD", 1)
        return Finished(kind, run_demo(kind, command=COMMAND), stopped)


@pytest.fixture(scope="session", params=list(KINDS))
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A finished demo of each kind."""
    kind = KINDS[request.param](tmp_path_factory.mktemp("demo") / "out")
    return finish(kind, stopped_once(kind) if request.param == STOPPED else {})
