"""Training runs as child processes: plain `linkgan train` commands that anyone could type, stopped and gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from training_loops.training_loop import OPTIONS_FILE

from .errors import LinkGANError
from .report.curves import read_stats

LINKGAN = (sys.executable, "-m", "linkgan_plugin")
_SHOWN_LINES = 15


def train_command(run_dir: Path, arguments: Sequence[str]) -> list[str]:
    """Return the command that trains `run_dir` with `arguments`, or goes on with it where it was stopped.

    The options are the last file that a run is set up with: with them, it has all that it takes to go on.
    """
    base = [*LINKGAN, "train", "--quiet"]
    if (run_dir / OPTIONS_FILE).exists():
        return [*base, "--continue", str(run_dir)]
    return [*base, "--run-dir", str(run_dir), *arguments]


def start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a child process with one thread that ends with this one; its output goes to the end of `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as file:
        # A session of its own: Ctrl-C reaches this process alone, which passes it on exactly once.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "LINKGAN_STOP_WITH_PARENT": "1"},
            start_new_session=True,
        )


def interrupt(children: Iterable[subprocess.Popen[bytes]]) -> None:
    """Pass Ctrl-C on to all children that run, and wait until they have saved what they need to go on."""
    running = [child for child in children if child.poll() is None]
    for child in running:
        child.send_signal(signal.SIGINT)
    for child in running:
        child.wait()


def check_children(children: Mapping[str, subprocess.Popen[bytes]], logs: Mapping[str, Path], doing: str) -> None:
    """Raise LinkGANError with the end of its log for a child that failed at `doing`."""
    for name, child in children.items():
        if child.poll() not in (None, 0):
            end = "\n".join(logs[name].read_text(errors="replace").splitlines()[-_SHOWN_LINES:])
            raise LinkGANError(f"{doing} the {name} failed with status {child.returncode}:\n{end}")


def last_stat(run_dir: Path, name: str, default: float) -> float:
    """Return the last value of a statistic in ``stats.jsonl``; a half-written last line is passed over."""
    if not (run_dir / "stats.jsonl").exists():
        return default
    found = [record[name]["mean"] for record in read_stats(run_dir) if name in record]
    found = [value for value in found if value is not None]  # null: it was not finite
    return float(found[-1]) if found else default


def kimg_of(run_dir: Path) -> float:
    """Return how many thousand images a run has seen, 0 before it began."""
    return last_stat(run_dir, "Progress/kimg", 0.0)


def has_seen(run_dir: Path, kimg: float) -> bool:
    """Return whether a run has seen `kimg` thousand images, which training cuts to whole images."""
    return round(kimg_of(run_dir) * 1000) >= int(kimg * 1000)


def snapshot_of(run_dir: Path) -> Path:
    """Return the newest snapshot of a run.

    Raises:
        LinkGANError: there is none.
    """
    snapshots = sorted(run_dir.glob("network-snapshot-*.pt"))
    if not snapshots:
        raise LinkGANError(f"{run_dir} holds no network snapshot")
    return snapshots[-1]
