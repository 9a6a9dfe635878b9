"""Short seeded trainings of the embedded host, and the tensors that they end with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training_loops.options import TrainingOptions
from training_loops.presets import build_options
from training_loops.request import TrainingRequest
from training_loops.session import Session
from training_loops.snapshots import load_tensors
from training_loops.state import FORMAT, VERSION, newest
from training_loops.training_loop import training_loop

from ..bench.cost import Stopped, boxes, procedural
from ..hosts.options import turn_on
from ..recipes import make_recipe

BATCH, STEPS = 8, 4
SMALL: dict[str, Any] = {"cbase": 32, "cmax": 4, "z_dim": 16, "w_dim": 16}


@contextmanager
def faces(quick: bool) -> Iterator[Path]:
    """Yield a small procedural data set."""
    with procedural("tiny", [8 if quick else 32], images=2 * BATCH) as (path,):
        yield path


def options(data: Path, quick: bool, *, links: int = 2, gpus: int = 1, batch_gpu: int | None = None) -> dict[str, Any]:
    """Return the options of a run of a few steps of the preset `tiny`, in float32 and without cuDNN's benchmarks.

    Args:
        data: the data set.
        quick: a very small network.
        links: how many tile the image; 0 for none.
        gpus: processes.
        batch_gpu: images at a time in each.
    """
    request = TrainingRequest(
        "tiny", data, gpus=gpus, batch=BATCH, batch_gpu=batch_gpu, kimg=STEPS * BATCH / 1000, snap=1, nobench=True,
        image_grid=(2, 2), **(SMALL if quick else {}),
    )  # fmt: skip
    made = build_options(request).to_json()
    if links:
        recipe = make_recipe(start=0.0, interval=1, batch=1.0)
        turn_on(made, loss="linkgan", links=boxes(links), recipe=recipe)
    return made


def train(
    made: dict[str, Any],
    folder: Path,
    device: torch.device,
    *,
    restart: bool = False,
    stop_after: int | None = None,
    rank: int = 0,
    step: Callable[[], object] = lambda: None,
) -> None:
    """Train in a folder.

    Args:
        made: from `options`.
        folder: of the run.
        device: to train on.
        restart: resume the run that is there.
        stop_after: steps after which it stops; None for the end.
        rank: of this process.
        step: called after every step.
    Raises:
        Stopped: after Ctrl-C.
    """
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        step()

    session = Session(
        rank=rank,
        device=device,
        restart=restart,
        verbose=False,
        tensorboard=False,
        progress_fn=progress,
        abort_fn=None if stop_after is None else lambda: len(seen) >= stop_after,
    )
    result = training_loop(TrainingOptions.from_json(made), folder, session)
    if not result.finished and stop_after is None:
        raise Stopped


def tensors(folder: Path) -> dict[str, Tensor]:
    """Return all tensors, of any shape, of a run's saved state: networks and optimizers, by their path."""
    state = load_tensors(newest(folder), FORMAT, VERSION)
    return dict(_leaves({name: state[name] for name in ("networks", "optimizers")}, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in items:
        yield from _leaves(item, f"{path}.{key}".lstrip("."))


def difference(first: dict[str, Tensor], second: dict[str, Tensor]) -> str:
    """Return which tensors differ, as text; empty if none does.

    Args:
        first: name -> tensor of any shape.
        second: likewise.
    """
    if first.keys() != second.keys():
        return "the runs do not have the same tensors"
    different = [name for name in first if not torch.equal(first[name], second[name])]
    if not different:
        return ""
    largest = max(_largest(first[name], second[name]) for name in different)
    return f"{len(different)} of {len(first)} tensors differ, the first is {different[0]}, by {largest:.2g} at most"


def _largest(first: Tensor, second: Tensor) -> float:
    if first.shape != second.shape:
        return float("inf")
    return float((first.double() - second.double()).abs().max())


def closeness(first: dict[str, Tensor], second: dict[str, Tensor], names: Sequence[str]) -> tuple[float, str]:
    """Return the largest difference of two runs' tensors, and the name of the tensor.

    Args:
        first: name -> tensor of any shape.
        second: likewise.
        names: those to compare.
    """
    return max((_largest(first[name], second[name]), name) for name in names)
