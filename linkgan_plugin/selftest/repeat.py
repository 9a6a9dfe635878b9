"""Whether training is repeated to the bit, and whether what the device saves opens elsewhere and resumes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from training_loops.snapshots import Snapshot, load_snapshot, save_snapshot

from . import short_runs
from .context import Context
from .rows import FAILED, WARN, Row

CPU = torch.device("cpu")


def determinism(context: Context) -> Iterator[Row]:
    """Yield whether two seeded trainings of a few steps, with and without links, end with the same bits."""
    with short_runs.faces(context.quick) as data, tempfile.TemporaryDirectory(prefix="linkgan-selftest-") as temporary:
        for links in (2,) if context.quick else (0, 2):
            name = f"{short_runs.STEPS} training steps twice, {'with' if links else 'without'} links"
            yield from context.guarded("determinism", name, _twice(context, name, data, Path(temporary), links))


def _twice(context: Context, name: str, data: Path, folder: Path, links: int) -> Iterator[Row]:
    made = short_runs.options(data, context.quick, links=links)
    ends = []
    for number in range(2):
        run = folder / f"{links}-{number}"
        short_runs.train(made, run, context.device, step=context.step)
        ends.append(short_runs.tensors(run))
    yield _same_bits("determinism", name, context, short_runs.difference(*ends))


def _same_bits(section: str, name: str, context: Context, difference: str) -> Row:
    """Return whether the bits are the same; where they need not be, on GPUs, another result is a warning."""
    if not difference:
        return Row(section, name, "same bits")
    if context.on_gpu:
        return Row(section, name, "differs", verdict=WARN, why=f"{difference}; sums on GPUs may have any order")
    return Row(section, name, "differs", verdict=FAILED, why=f"{difference}; on CPUs the bits must be the same")


def resume(context: Context) -> Iterator[Row]:
    """Yield whether snapshots keep their bits from device to CPU and back, and whether a stopped run resumes."""
    with short_runs.faces(context.quick) as data, tempfile.TemporaryDirectory(prefix="linkgan-selftest-") as temporary:
        folder = Path(temporary)
        yield from context.guarded("resume", "snapshot", _snapshot(context, data, folder))
        yield from context.guarded("resume", "stopped run", _resumed(context, data, folder))


def _snapshot(context: Context, data: Path, folder: Path) -> Iterator[Row]:
    short_runs.train(short_runs.options(data, context.quick), folder / "whole", context.device, step=context.step)
    here = load_snapshot(max((folder / "whole").glob("network-snapshot-*.pt")))
    trained = short_runs.tensors(folder / "whole")
    kept = {name: trained[f"networks.{name}"].cpu() for name in _weights(here)}
    yield _kept("snapshot of the device, opened on the CPU", kept, _weights(here))
    there = load_snapshot(max((folder / "whole").glob("network-snapshot-*.pt")), context.device)
    _save(folder / "back.pt", there)
    yield _kept("opened on the device, saved, opened on the CPU", kept, _weights(load_snapshot(folder / "back.pt")))


def _save(path: Path, opened: Snapshot) -> None:
    networks = {name: getattr(opened, name) for name in ("G", "D", "G_ema")}
    save_snapshot(path, **networks, training_options=opened.training_options, cur_nimg=0, link_spec=opened.link_spec)


def _weights(opened: Snapshot) -> dict[str, Tensor]:
    """Return the tensors of the three networks, by names like those of `short_runs.tensors`; any shapes."""
    return {
        f"{role}.{name}": value
        for role in ("G", "D", "G_ema")
        for name, value in getattr(opened, role).state_dict().items()
    }


def _kept(name: str, expected: dict[str, Tensor], found: dict[str, Tensor]) -> Row:
    difference = short_runs.difference(expected, found)
    if difference:
        return Row("resume", name, "differs", verdict=FAILED, why=difference)
    return Row("resume", name, "same bits")


def _resumed(context: Context, data: Path, folder: Path) -> Iterator[Row]:
    made, parts = short_runs.options(data, context.quick), folder / "parts"
    short_runs.train(made, parts, context.device, stop_after=short_runs.STEPS // 2, step=context.step)
    short_runs.train(made, parts, context.device, restart=True, step=context.step)
    difference = short_runs.difference(short_runs.tensors(folder / "whole"), short_runs.tensors(parts))
    yield _same_bits("resume", "run stopped after half of its steps, then resumed", context, difference)
