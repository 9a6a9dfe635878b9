"""Child processes of the self-test: a time limit, nothing left behind, and the last line of their errors."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Done:
    """A process that has ended: its status, None where it was stopped at its time limit, and its output."""

    status: int | None
    out: str
    err: str

    @property
    def reason(self) -> str:
        """Why it failed, in one line: the last line of its standard error."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        if self.status is None:
            return f"it did not end within its time{f'; its last line is: {lines[-1]}' if lines else ''}"
        return lines[-1] if lines else f"it ended with status {self.status}"


def run(
    command: Sequence[str],
    seconds: float,
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Done:
    """Run a command; it and its own children are killed at the time limit, and at Ctrl-C here.

    Args:
        command: program and arguments.
        seconds: the limit.
        cwd: the folder to run in.
        environment: variables besides those of this process.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=max(seconds, 0.1))
        return Done(process.returncode, out, err)
    except subprocess.TimeoutExpired:
        _kill(process)
        out, err = process.communicate()
        return Done(None, out, err)
    except BaseException:
        _kill(process)
        process.wait()
        raise


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and its children; it leads a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
