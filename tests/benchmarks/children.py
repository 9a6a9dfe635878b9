"""The two training loops that are compared, each in a process of its own that waits for its turn."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.hosts import cpu
from linkgan_plugin.pickles.checkout import importing
from tests.benchmarks import interleaved
from training_loops.options import TrainingOptions
from training_loops.session import Session
from training_loops.training_loop import training_loop


def train_embedded(pipe: Connection, log: Path, options: dict[str, Any], run_dir: Path, **how: Any) -> None:
    """Train the embedded host, a block at a time."""
    with _interleaving(pipe, log, how["threads"]):
        training_loop(TrainingOptions.from_json(options), run_dir, Session(device=how["device"], tensorboard=False))


def train_host(pipe: Connection, log: Path, options: dict[str, Any], run_dir: Path, **how: Any) -> None:
    """Train the real host, a block at a time, on the CPU where `how` says so."""
    with _interleaving(pipe, log, how["threads"]):
        if how["device"] == "cpu":
            cpu.emulate(how["threads"])
        run_dir.mkdir(parents=True)
        with importing(how["host"].resolve()):
            easy = importlib.import_module("dnnlib").EasyDict
            loop = importlib.import_module("training.training_loop").training_loop
            loop(**_easy(options, easy), run_dir=str(run_dir))


def _easy(value: Any, kind: type) -> Any:
    """Return nested dicts as the host's dicts with attributes."""
    return kind({key: _easy(item, kind) for key, item in value.items()}) if isinstance(value, dict) else value


@contextlib.contextmanager
def _interleaving(pipe: Connection, log: Path, threads: int) -> Iterator[None]:
    """Send what the process says to `log`, and let its loop end when the parent is done."""
    interleaved.connection = pipe
    with open(log, "ab", buffering=0) as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(threads)
    with contextlib.suppress(interleaved.Done):
        yield


class Child:
    """One training loop in a process of its own."""

    def __init__(
        self, target: Callable[..., None], run_dir: Path, options: dict[str, Any], how: dict[str, Any]
    ) -> None:
        self._log = run_dir.with_suffix(".log")
        self._name = run_dir.name
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=target, args=(other, self._log, options, run_dir), kwargs=how)
        self._process.start()
        other.close()  # so that the end of the child is the end of the pipe

    def train_block(self) -> float:
        """Let it train for a block of steps; return its seconds."""
        with contextlib.suppress(OSError):  # it has ended; the next line says of what
            self._pipe.send(True)
        return float(self.receive())

    def receive(self) -> Any:
        """Return what it sends next.

        Raises:
            LinkGANError: it has ended instead.
        """
        try:
            return self._pipe.recv()
        except EOFError:
            self._process.join()
            lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
            end = "\n".join(lines[-15:])
            raise LinkGANError(
                f"training the {self._name} failed with status {self._process.exitcode}:\n{end}"
            ) from None

    def end(self) -> None:
        """Tell it that all is measured, and wait until it has ended."""
        with contextlib.suppress(OSError):
            self._pipe.send(False)
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()
        self._pipe.close()
