"""The exact training state of a run (training-state.pt): resuming gives the result of an uninterrupted run."""

from __future__ import annotations

import contextlib
import json
import os
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training_loops import processes
from training_loops.formats.atomic import atomic_file
from training_loops.formats.fingerprint import changes
from training_loops.snapshots import SnapshotError, check_state, load_tensors

FORMAT = "training_loops.state"
VERSION = 2
STATE_FILE = "training-state.pt"
PREVIOUS_FILE = "training-state-previous.pt"


@dataclass
class Progress:
    """The progress of a run: images seen, iterations, ticks, and training seconds over all sessions."""

    cur_nimg: int = 0
    step: int = 0
    tick: int = 0
    elapsed: float = 0.0


def random_state() -> dict[str, Any]:
    """Return the states of the global generators (torch, numpy, random, current CUDA device) as tensors and numbers."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    version, words, second = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": [
            str(kind),
            torch.from_numpy(np.asarray(keys, dtype=np.int64)),
            int(position),
            int(has_gauss),
            float(gauss),
        ],
        "python": [version, torch.tensor(words, dtype=torch.int64), second],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Restore a result of `random_state`."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    kind, keys, position, has_gauss, gauss = state["numpy"]
    words32 = keys.numpy().astype(np.uint32)
    np.random.set_state((kind, words32, position, has_gauss, gauss))  # noqa: NPY002
    version, words, second = state["python"]
    random.setstate((version, tuple(words.tolist()), second))


@contextlib.contextmanager
def preserved_random_state() -> Iterator[None]:
    """Restore the global random generators after the block."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)


def newest(run_dir: Path) -> Path:
    """Return the latest state file: a writer killed between its two renames leaves only the previous one."""
    path, before = run_dir / STATE_FILE, run_dir / PREVIOUS_FILE
    return before if before.exists() and not path.exists() else path


def save_state(
    run_dir: Path,
    *,
    networks: dict[str, torch.nn.Module],
    optimizers: dict[str, torch.optim.Optimizer],
    loss: Any,
    progress: Progress,
    options: dict[str, Any],
    dataset: dict[str, Any] | None = None,
    rank: int = 0,
    num_gpus: int = 1,
) -> None:
    """Write the state atomically from rank 0, keeping the previous one; every rank must call this.

    `dataset` is the record of the data (see formats/fingerprint.py).
    Random states and states of the loss (moving averages) are stored per rank.
    """
    own = {"random": random_state(), "loss": loss.state_dict() if hasattr(loss, "state_dict") else None}
    ranks = processes.gathered(own, num_gpus)
    if rank != 0:
        return
    data = {
        "format": FORMAT,
        "version": VERSION,
        "progress": asdict(progress),
        "options": json.dumps(options, allow_nan=False),
        "dataset": json.dumps(dataset, allow_nan=False),
        "networks": {name: net.state_dict() for name, net in networks.items()},
        "optimizers": {name: opt.state_dict() for name, opt in optimizers.items()},
        "ranks": ranks,
    }
    with atomic_file(run_dir / STATE_FILE, keep=run_dir / PREVIOUS_FILE) as file:
        torch.save(data, file)


def load_state(
    run_dir: Path,
    *,
    networks: dict[str, torch.nn.Module],
    optimizers: dict[str, torch.optim.Optimizer],
    loss: Any,
    options: dict[str, Any],
    dataset: dict[str, Any] | None = None,
    rank: int = 0,
) -> tuple[Progress, bool]:
    """Restore the state of `save_state`; return the progress, and whether the state has a record of its data.

    Raises SnapshotError for a damaged or foreign file and for a run with other `options` or another `dataset`, naming
    the differences.
    """
    path = newest(run_dir)
    try:
        data = load_tensors(path, FORMAT, VERSION)
    except SnapshotError as error:
        before = run_dir / PREVIOUS_FILE
        if not path.exists() or path == before or not before.exists():
            raise
        raise SnapshotError(f"{error}; delete it to resume from the previous state, {before}") from error
    _check_options(path, json.loads(data["options"]), options)
    recorded = json.loads(data.get("dataset", "null"))
    _check_dataset(path, recorded, dataset)
    try:
        for name, net in networks.items():
            check_state(net, data["networks"][name])
            net.load_state_dict(data["networks"][name])
        for name, opt in optimizers.items():
            opt.load_state_dict(data["optimizers"][name])
        own = data["ranks"][rank]
        if own["loss"] is not None:
            loss.load_state_dict(own["loss"])
        set_random_state(own["random"])
        return Progress(**data["progress"]), recorded is not None
    except Exception as error:
        raise SnapshotError(f"{path}: damaged training state ({error})") from error


def _check_dataset(path: Path, recorded: dict[str, Any] | None, now: dict[str, Any] | None) -> None:
    changed = changes(recorded, now) if recorded and now else []
    if changed:
        raise SnapshotError(
            f"{path}: the data set has changed since the run was started ({'; '.join(changed)}); restore the data, or "
            "start a new run from its last snapshot (linkgan train --resume)"
        )


def _check_options(path: str | os.PathLike[str], saved: dict[str, Any], given: dict[str, Any]) -> None:
    given = json.loads(json.dumps(given))
    different = sorted(key for key in saved.keys() | given.keys() if saved.get(key) != given.get(key))
    if different:
        shown = "; ".join(f"{key}: was {saved.get(key)!r}, is {given.get(key)!r}" for key in different)
        raise SnapshotError(f"{path}: the run was started with other options ({shown})")
