"""Running the commands of the hosts in kinds.py as a user would, and what their runs leave behind."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from linkgan_plugin.hosts.overrides import read_override
from linkgan_plugin.hosts.session import VARIABLE, Session

from .kinds import Kind, camera, copy_tree, write_data

__all__ = ["HERE", "LINK", "Bench", "Done", "Run", "Zygote", "camera", "zygote"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LINK = "--link=left=0:8@box(0,0,0.5,1)"


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


class Zygote:
    """Runs Python commands one after the other; see zygote.py."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.server = subprocess.Popen(
            [sys.executable, str(HERE / "zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def run(
        self,
        *argv: str | Path,
        cwd: Path | None = None,
        emulate: bool = False,
        env: dict[str, str] | None = None,
        interrupt_at: str | None = None,
        seconds: float = 60,
    ) -> Done:
        """Run ``python ARGV`` and wait for its end.

        Args:
            emulate: emulate CUDA on the CPU before the script starts. env: more of the environment.
            interrupt_at: send SIGINT once this text has been printed, which must be within `seconds`; the command must
                end within `seconds` of it.
        """
        self.count += 1
        out, err = (self.folder / f"{self.count:03d}.{name}" for name in ("out", "err"))
        request = {
            "argv": [str(arg) for arg in argv],
            "env": {**environment(), **(env or {})},
            "cwd": str(cwd or self.folder),
            "out": str(out),
            "err": str(err),
            "emulate": emulate,
        }
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        out.touch()
        err.touch()
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        process = int(self.server.stdout.readline())
        reached = interrupt_at is None or _interrupt(process, interrupt_at, (out, err), seconds)
        deaf = threading.Timer(seconds, os.kill, (process, signal.SIGKILL))
        if interrupt_at is not None:
            deaf.start()
        done = Done(int(self.server.stdout.readline()), out.read_text(), err.read_text())
        deaf.cancel()
        assert reached, f"{interrupt_at!r} was not printed within {seconds} s:\n{done.text[-6000:]}"
        return done

    def close(self) -> None:
        assert self.server.stdin is not None
        self.server.stdin.close()
        self.server.wait(timeout=30)


def _interrupt(process: int, text: str, files: Iterable[Path], seconds: float) -> bool:
    """Press Ctrl-C once `text` is in one of the files; returns whether that came to pass. If not, kill the process."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if any(text in file.read_text() for file in files):
            os.kill(process, signal.SIGINT)
            return True
        time.sleep(0.02)
    os.kill(process, signal.SIGKILL)
    return False


def environment() -> dict[str, str]:
    """Return the environment of a user's shell: this one's, without what a session of ours would leave in it.

    Uninitialised memory holds one pattern (of glibc's, -3e-13 as a float): stylegan2-ada-pytorch moves w_avg by what
    lay in it, so that even two runs of the plain host would differ.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LINKGAN_")}
    ours = {"OMP_NUM_THREADS": "1", "COLUMNS": "120", "PYTHONPATH": str(ROOT), "MALLOC_PERTURB_": "85"}
    return {**clean, **ours, "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Run:
    """A finished training run: its folder and how the command ended."""

    folder: Path
    done: Done

    @property
    def snapshot(self) -> Path:
        return sorted(self.folder.glob("network-snapshot-*.pkl"))[-1]

    def options(self) -> dict[str, Any]:
        return json.loads((self.folder / "training_options.json").read_text())

    def stats(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "stats.jsonl").read_text().splitlines()]

    def metric(self, name: str) -> list[dict[str, float]]:
        lines = (self.folder / f"metric-{name}.jsonl").read_text().splitlines()
        return [json.loads(line)["results"] for line in lines]


class Bench:
    """One host's tree with its data, and the runs made of it, each made once, by whichever test process needs it first.

    Args:
        kind: the host. folder: shared by all test processes. zygote: this process's own.
    """

    def __init__(self, kind: Kind, folder: Path, zygote: Zygote) -> None:
        self.kind, self.folder, self.zygote = kind, folder, zygote
        self.tree, self.data = folder / "host", folder / "images.zip"
        self._opened: dict[Path, dict[str, Any]] = {}
        with locked(folder):
            if not self.data.exists():
                copy_tree(kind, self.tree)
                write_data(self.data, size=kind.size, cameras=kind.cameras)

    def command(self, outdir: str, *flags: str, script: Path | None = None, run: Sequence[str] = ()) -> list[str]:
        """Return the arguments of ``python -m linkgan_plugin run`` that train in a smoke run on the CPU.

        Args:
            outdir: folder of the run. flags: the host's, after those of its kind. run: linkgan's own.
        """
        sets = [part for item in self.kind.sets for part in ("--set", item)]
        host = [f"--data={self.data}", f"--outdir={self.folder / outdir}", *self.kind.flags, *flags]
        start = ["-m", "linkgan_plugin", "run", "--device=cpu", "--smoke", *sets, *run]
        return [*start, str(script or self.tree / "train.py"), "--", *host]

    def train(self, name: str, *flags: str, run: Sequence[str] = ()) -> Run:
        """Train in a smoke run, which must succeed; a run of the same `name` is made once."""
        return self.once(name, lambda: self.zygote.run(*self.command(name, *flags, run=run)))

    def once(self, name: str, make: Callable[[], Done]) -> Run:
        """Return the training run in the folder `name`, made by `make` where it is not there; it must succeed."""
        folder = self.folder / name
        with locked(folder):
            kept = folder / "done.json"
            if not kept.exists():
                done = make()
                assert done.code == 0, done.text[-6000:]
                kept.write_text(json.dumps([done.code, done.out, done.err]))
            (run,) = folder.glob("0*")
            return Run(run, Done(*json.loads(kept.read_text())))

    def refused(self, *flags: str, run: Sequence[str] = ()) -> Done:
        """Train with flags that must not work; returns how the command ended."""
        done = self.zygote.run(*self.command(f"refused-{os.getpid()}-{self.zygote.count}", *flags, run=run))
        assert done.code != 0, done.text[-6000:]
        return done

    def calc_metrics(self, run: Run, *flags: str) -> Run:
        """Measure link2k of a run's snapshot with the host's own runner, in a smoke run, beside a copy of the run."""
        folder = self.folder / f"measured-{os.getpid()}-{self.zygote.count}"
        folder.mkdir()
        for name in (run.snapshot.name, "training_options.json"):
            shutil.copy(run.folder / name, folder)
        start = ["-m", "linkgan_plugin", "run", "--device=cpu", "--smoke", str(self.tree / "calc_metrics.py"), "--"]
        done = self.zygote.run(*start, f"--network={folder / run.snapshot.name}", "--metrics=link2k", *flags)
        return Run(folder, done)

    def opened(self, *runs: Run) -> list[dict[str, Any]]:
        """Open the runs' snapshots in the plain host, with the plugin out of reach; see plain_host.py."""
        new = [run.snapshot for run in runs if run.snapshot not in self._opened]
        if new:
            out = self.folder / f"opened-{os.getpid()}.pt"
            done = self.zygote.run(HERE / "plain_host.py", self.tree, out, *new)
            assert done.code == 0, done.text[-6000:]
            self._opened |= {Path(name): found for name, found in torch.load(out, weights_only=True).items()}
        return [self._opened[run.snapshot] for run in runs]

    def session(self, script: Path, *sets: str) -> dict[str, str]:
        """Return the environment in which a patched tree's own command takes this kind's settings and more of them."""
        overrides = dict(read_override(item) for item in (*self.kind.sets, *sets))
        run = Session(str(script), str(script.parent), (), device="cpu", smoke=False, overrides=overrides)
        return {VARIABLE: json.dumps(dataclasses.asdict(run))}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other test processes out of a folder while something is made in it."""
    path.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f".{path.name}.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def zygote(folder: Path) -> Iterator[Zygote]:
    server = Zygote(folder)
    try:
        yield server
    finally:
        server.close()
