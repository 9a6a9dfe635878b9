"""Training runs as child processes: starts, stops and resumes ordinary `linkgan train` commands."""

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
    """Return the command that trains `run_dir` with `arguments`, or resumes it if it was stopped.

    The options are the last file written when a run is set up: a run that has them can be resumed.
    """
    base = [*LINKGAN, "train", "--quiet"]
    if (run_dir / OPTIONS_FILE).exists():
        return [*base, "--continue", str(run_dir)]
    return [*base, "--run-dir", str(run_dir), *arguments]


def start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a single-threaded child process that ends with this process; its output is appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as file:
        # A new session: Ctrl-C reaches only this process, which passes it on exactly once.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "LINKGAN_STOP_WITH_PARENT": "1"},
            start_new_session=True,
        )


def interrupt(children: Iterable[subprocess.Popen[bytes]]) -> None:
    """Pass Ctrl-C to all running children, and wait until they have saved the state for resuming."""
    running = [child for child in children if child.poll() is None]
    for child in running:
        child.send_signal(signal.SIGINT)
    for child in running:
        child.wait()


def check_children(children: Mapping[str, subprocess.Popen[bytes]], logs: Mapping[str, Path], doing: str) -> None:
    """Raise LinkGANError with the end of the log if a child failed; `doing` names its work."""
    for name, child in children.items():
        if child.poll() not in (None, 0):
            end = "\n".join(logs[name].read_text(errors="replace").splitlines()[-_SHOWN_LINES:])
            raise LinkGANError(f"{doing} the {name} failed with status {child.returncode}:\n{end}")


def last_stat(run_dir: Path, name: str, default: float) -> float:
    """Return the last value of a statistic in ``stats.jsonl``; skips a half-written last line."""
    if not (run_dir / "stats.jsonl").exists():
        return default
    found = [record[name]["mean"] for record in read_stats(run_dir) if name in record]
    found = [value for value in found if value is not None]  # null: it was not finite
    return float(found[-1]) if found else default


def kimg_of(run_dir: Path) -> float:
    """Return the number of thousand images that a run has seen, 0 before it started."""
    return last_stat(run_dir, "Progress/kimg", 0.0)


def has_seen(run_dir: Path, kimg: float) -> bool:
    """Return whether a run has seen `kimg` thousand images, rounded down to whole images as in training."""
    return round(kimg_of(run_dir) * 1000) >= int(kimg * 1000)


def snapshot_of(run_dir: Path) -> Path:
    """Return the newest snapshot of a run.

    Raises:
        LinkGANError: the run has no snapshot.
    """
    snapshots = sorted(run_dir.glob("network-snapshot-*.pt"))
    if not snapshots:
        raise LinkGANError(f"{run_dir} contains no network snapshot")
    return snapshots[-1]
