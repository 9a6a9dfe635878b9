"""The training loop of all families: builds by dotted name, steps, and keeps logs, images, snapshots and state."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training_loops import memory, phases, processes
from training_loops.errors import OptionError
from training_loops.formats.interrupt import watch_interrupt
from training_loops.formats.lock import locked
from training_loops.logs import TickClock
from training_loops.maintenance import maintain
from training_loops.processes import default_device
from training_loops.run import OPTIONS_FILE, STATE_FILE, Run, set_up

__all__ = [
    "OPTIONS_FILE",
    "STATE_FILE",
    "TrainingResult",
    "default_device",
    "lr_fraction",
    "read_options",
    "training_loop",
]


@dataclass(frozen=True)
class TrainingResult:
    """Where a run stands: `finished` is false after Ctrl-C or abort_fn; `snapshot` is the last one written."""

    cur_nimg: int
    finished: bool
    snapshot: Path | None


def training_loop(
    *,
    run_dir: str | os.PathLike[str],
    training_set_kwargs: dict[str, Any],
    G_kwargs: dict[str, Any],
    D_kwargs: dict[str, Any],
    G_opt_kwargs: dict[str, Any],
    D_opt_kwargs: dict[str, Any],
    loss_kwargs: dict[str, Any],
    metrics: Sequence[str] = (),
    random_seed: int = 0,
    num_gpus: int = 1,
    rank: int = 0,
    batch_size: int = 4,
    batch_gpu: int | None = None,
    ema_kimg: float = 10,
    ema_rampup: float | None = 0.05,
    G_reg_interval: int | None = None,
    D_reg_interval: int | None = 16,
    total_kimg: float = 25000,
    kimg_per_tick: float = 4,
    image_snapshot_ticks: int | None = 50,
    network_snapshot_ticks: int | None = 50,
    lr_final_fraction: float = 1.0,
    lr_decay_share: float = 0.25,
    image_grid: Sequence[int] | None = None,
    resume: str | os.PathLike[str] | None = None,
    restart: bool = False,
    cudnn_benchmark: bool = True,
    threads: int | None = None,
    device: torch.device | str | None = None,
    verbose: bool = True,
    tensorboard: bool = True,
    abort_fn: Callable[[], bool] | None = None,
    progress_fn: Callable[[int, int], None] | None = None,
) -> TrainingResult:
    """Train into `run_dir` and return how far it came.

    Classes (data set, networks, optimizers, loss) are given as ``{"class_name": "package.module.Class", ...}``.
    One step sees `batch_size` images over all processes, `batch_gpu` at a time. `ema_kimg` is the half-life of
    the averaged generator; `G_reg_interval` / `D_reg_interval` None means regularization in every step. A tick
    is `kimg_per_tick` thousand images. The learning rate falls linearly to `lr_final_fraction` over the last
    `lr_decay_share` of the run. `image_grid` is (columns, rows).

    `resume` starts from the weights of a snapshot; `restart` continues the run in `run_dir` exactly. On Ctrl-C,
    or when `abort_fn` returns true (and goes on to, on any rank), the step is finished and the run left so that it
    can be restarted. `progress_fn(cur_nimg, total_nimg)` is called after every step.

    With several processes, ``torch.distributed`` must be initialised and every rank calls this with its `rank`.

    Raises OptionError (SnapshotError for files) naming the option, before any training, and LockedError where another
    process trains in `run_dir`.
    """
    options = {
        key: value
        for key, value in locals().items()
        if key not in ("run_dir", "rank", "restart", "device", "verbose", "tensorboard", "abort_fn", "progress_fn")
    }
    options["batch_gpu"] = batch_gpu = batch_gpu or batch_size // max(num_gpus, 1)
    options["resume"] = None if resume is None else os.fspath(resume)
    _check(options)
    folder = Path(run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    place = torch.device(device) if device is not None else default_device(rank)
    if place.type == "cuda" and place.index is None:
        place = torch.device("cuda", torch.cuda.current_device())  # some of PyTorch's calls take no other
    _configure_torch(place, threads=threads, cudnn_benchmark=cudnn_benchmark)
    with locked(folder) if rank == 0 else contextlib.nullcontext():
        run = set_up(options, folder, place, rank=rank, restart=restart, verbose=verbose, tensorboard=tensorboard)
        try:
            finished = _train(run, abort_fn, progress_fn)
        finally:
            run.log.close()
    return TrainingResult(run.progress.cur_nimg, finished, run.snapshot)


def read_options(run_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """The options a run was started with, as keyword arguments for `training_loop`. Raises OptionError."""
    path = Path(run_dir) / OPTIONS_FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: not the folder of a run that can be continued ({error})") from error


def _check(options: dict[str, Any]) -> None:
    batch, gpus, per_gpu = options["batch_size"], options["num_gpus"], options["batch_gpu"]
    if min(batch, gpus, per_gpu) < 1 or batch % (gpus * per_gpu):
        raise OptionError(f"batch_size={batch}: expected a multiple of num_gpus={gpus} times batch_gpu={per_gpu}")
    if not options["total_kimg"] > 0 or not options["kimg_per_tick"] > 0:
        raise OptionError("total_kimg and kimg_per_tick: expected more than 0")
    wrong = next(_not_finite(options, ""), None)
    if wrong is not None:
        raise OptionError(f"{wrong}: expected a finite number")
    if not 0 < options["lr_decay_share"] <= 1 or not 0 <= options["lr_final_fraction"] <= 1:
        raise OptionError("lr_decay_share and lr_final_fraction: expected shares between 0 and 1")


def _not_finite(data: Any, name: str) -> Iterator[str]:
    """Name the numbers in options that are not finite, which no file could keep."""
    if isinstance(data, float) and not math.isfinite(data):
        yield f"{name}={data}"
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list | tuple) else ()
    for key, value in parts:
        yield from _not_finite(value, f"{name}.{key}" if name else str(key))


def _configure_torch(device: torch.device, *, threads: int | None, cudnn_benchmark: bool) -> None:
    if threads is not None:
        torch.set_num_threads(threads)
    if device.type == "cpu":
        memory.keep_freed_memory()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.backends.cudnn.benchmark = cudnn_benchmark
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def _train(run: Run, abort_fn: Callable[[], bool] | None, progress_fn: Callable[[int, int], None] | None) -> bool:
    """Step until done; returns whether the run is finished."""
    total_nimg = max(int(run.options["total_kimg"] * 1000), 1)
    tick_nimg = run.options["kimg_per_tick"] * 1000
    progress, clock = run.progress, TickClock(run.progress)
    with watch_interrupt() as interrupt:
        while progress.cur_nimg < total_nimg:
            _step(run, total_nimg)
            if progress_fn is not None:
                progress_fn(progress.cur_nimg, total_nimg)
            done = progress.cur_nimg >= total_nimg
            requested = interrupt.requested or (abort_fn is not None and abort_fn())
            stopped = not done and _agreed(run, requested)
            if done or stopped or clock.due(tick_nimg):
                run.log.say(clock.end_tick(run.device))
                maintain(run, last=done or stopped, stopped=stopped)
                clock.start_tick()
            if stopped:
                run.log.say(f"Stopped at {progress.cur_nimg / 1000:g} kimg; the run can be continued")
                return False
    return True


def _agreed(run: Run, requested: bool) -> bool:
    """Whether any rank was asked to stop; asked of the others only now and then, because it costs a round trip."""
    if run.num_gpus == 1:
        return requested
    if run.progress.step % 16 != 0:
        return False
    flag = torch.tensor([float(requested)], device=run.device)
    processes.add_up(flag)
    return bool(flag.item() > 0)


def _step(run: Run, total_nimg: int) -> None:
    """One iteration: every phase whose turn it is, then the averaged generator."""
    options, progress = run.options, run.progress
    fraction = lr_fraction(progress.cur_nimg / total_nimg, options["lr_final_fraction"], options["lr_decay_share"])
    phases.set_learning_rate(run.phases, fraction)
    real_img, real_c = run.stream.real(progress.step)
    gen_z, gen_c = run.stream.latents(progress.step, phases=len(run.phases), z_dim=run.G.z_dim)
    split_batch = options["batch_gpu"] != options["batch_size"]
    averages = phases.moving_averages(run.G) if split_batch else []
    for phase, z, c in zip(run.phases, gen_z, gen_c, strict=True):
        if progress.step % phase.interval:
            continue
        names = ("real_img", "real_c", "gen_z", "gen_c")
        split = [t.split(options["batch_gpu"]) for t in (real_img, real_c, z, c)]
        rounds = [dict(zip(names, tensors, strict=True)) for tensors in zip(*split, strict=True)]
        phases.run_phase(phase, run.loss, rounds, cur_nimg=progress.cur_nimg, num_gpus=run.num_gpus, averages=averages)
    phases.update_ema(
        run.G_ema,
        run.G,
        cur_nimg=progress.cur_nimg,
        batch_size=options["batch_size"],
        ema_kimg=options["ema_kimg"],
        rampup=options["ema_rampup"],
    )
    progress.cur_nimg += options["batch_size"]
    progress.step += 1


def lr_fraction(done: float, final: float, share: float) -> float:
    """1 until ``1 - share`` of the run is `done`, then linearly down to `final` at the end."""
    return 1.0 - (1.0 - final) * min(max((done - (1.0 - share)) / share, 0.0), 1.0)
