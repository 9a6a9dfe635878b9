"""The training loop: builds everything by dotted name, steps, and keeps logs, pictures, snapshots and state."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training_loops import atomic, grids, memory, metrics, phases, snapshots, state, training_stats, util
from training_loops.batches import BatchStream, labels_of
from training_loops.interrupt import watch_interrupt
from training_loops.logs import RunLog, tick_line

# Options that may change when a run is continued; all others decide what is learned.
FREE_OPTIONS = {
    "metrics",
    "total_kimg",
    "kimg_per_tick",
    "image_snapshot_ticks",
    "network_snapshot_ticks",
    "image_grid",
    "threads",
    "cudnn_benchmark",
}
STATE_FILE = "training-state.pt"
OPTIONS_FILE = "training_options.json"


@dataclass(frozen=True)
class TrainingResult:
    """Where a run stands: `finished` is false after Ctrl-C or abort_fn; `snapshot` is the last one written."""

    cur_nimg: int
    finished: bool
    snapshot: Path | None


@dataclass
class _Run:
    """Everything one process needs between steps."""

    options: dict[str, Any]
    run_dir: Path
    device: torch.device
    rank: int
    num_gpus: int
    stream: BatchStream
    G: Any
    D: Any
    G_ema: Any
    loss: Any
    phases: list[phases.Phase]
    progress: state.Progress
    log: RunLog
    fakes: grids.FakesGrid | None = None
    snapshot: Path | None = None


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
    or when `abort_fn` returns true (alike on all ranks), the step is finished and the run left so that it can be
    restarted. `progress_fn(cur_nimg, total_nimg)` is called after every step.

    With several processes, ``torch.distributed`` must be initialised and every rank calls this with its `rank`.

    Raises ValueError (SnapshotError for files) naming the option, before any training.
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
    _configure_torch(place, threads=threads, cudnn_benchmark=cudnn_benchmark)
    run = _set_up(options, folder, place, rank=rank, restart=restart, verbose=verbose, tensorboard=tensorboard)
    try:
        finished = _train(run, abort_fn, progress_fn)
    finally:
        run.log.close()
    return TrainingResult(run.progress.cur_nimg, finished, run.snapshot)


def default_device(rank: int = 0) -> torch.device:
    """CUDA device `rank` if there is one, else the CPU."""
    return torch.device("cuda", rank) if torch.cuda.is_available() else torch.device("cpu")


def read_options(run_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """The options a run was started with, as keyword arguments for `training_loop`. Raises ValueError."""
    path = Path(run_dir) / OPTIONS_FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not the folder of a run that can be continued ({error})") from error


def _check(options: dict[str, Any]) -> None:
    batch, gpus, per_gpu = options["batch_size"], options["num_gpus"], options["batch_gpu"]
    if min(batch, gpus, per_gpu) < 1 or batch % (gpus * per_gpu):
        raise ValueError(f"batch_size={batch}: expected a multiple of num_gpus={gpus} times batch_gpu={per_gpu}")
    if not options["total_kimg"] > 0 or not options["kimg_per_tick"] > 0:
        raise ValueError("total_kimg and kimg_per_tick: expected more than 0")
    if not 0 < options["lr_decay_share"] <= 1 or not 0 <= options["lr_final_fraction"] <= 1:
        raise ValueError("lr_decay_share and lr_final_fraction: expected shares between 0 and 1")


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


def _seed(*numbers: int) -> None:
    """Seed the global generators from several numbers."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def _set_up(
    options: dict[str, Any],
    run_dir: Path,
    device: torch.device,
    *,
    rank: int,
    restart: bool,
    verbose: bool,
    tensorboard: bool,
) -> _Run:
    seed, num_gpus = options["random_seed"], options["num_gpus"]
    training_stats.init_multiprocessing(rank, device if num_gpus > 1 else None)
    dataset = util.construct_class_by_name(**options["training_set_kwargs"])
    stream = BatchStream(
        dataset, batch_size=options["batch_size"], seed=seed, device=device, rank=rank, num_gpus=num_gpus
    )
    _seed(seed)  # alike on all ranks, so that they build the same networks
    dims = {"c_dim": dataset.label_dim, "img_resolution": dataset.resolution, "img_channels": dataset.num_channels}
    G = util.construct_class_by_name(**options["G_kwargs"], **dims).train().requires_grad_(False).to(device)
    D = util.construct_class_by_name(**options["D_kwargs"], **dims).train().requires_grad_(False).to(device)
    G_ema = copy.deepcopy(G).eval()
    if options["resume"] is not None and not restart:
        _copy_weights(options["resume"], {"G": G, "D": D, "G_ema": G_ema})
    _broadcast([G, D, G_ema], num_gpus)
    loss = util.construct_class_by_name(device=device, G=G, D=D, augment_pipe=None, **options["loss_kwargs"])
    metrics.check_metrics(options["metrics"])
    all_phases = [
        *phases.setup_phases("G", G, options["G_opt_kwargs"], options["G_reg_interval"]),
        *phases.setup_phases("D", D, options["D_opt_kwargs"], options["D_reg_interval"]),
    ]
    _seed(seed, num_gpus, rank)
    progress = state.Progress()
    if restart:
        progress = state.load_state(
            run_dir / STATE_FILE,
            networks={"G": G, "D": D, "G_ema": G_ema},
            optimizers=phases.optimizers(all_phases),
            loss=loss,
            options=_fixed(options),
            rank=rank,
        )
    log = RunLog(
        run_dir, rank=rank, verbose=verbose, tensorboard=tensorboard, continued=restart, cur_nimg=progress.cur_nimg
    )
    run = _Run(options, run_dir, device, rank, num_gpus, stream, G, D, G_ema, loss, all_phases, progress, log)
    if rank == 0:
        _first_files(run, dataset, fresh=not restart)
    return run


def _copy_weights(path: str, networks: dict[str, Any]) -> None:
    source = snapshots.load_snapshot(path)
    for role, net in networks.items():
        values = getattr(source, role).state_dict()
        try:
            snapshots.check_state(net, values)
        except snapshots.SnapshotError as error:
            raise snapshots.SnapshotError(f"{path}: does not fit the networks of this run; {error}") from error
        net.load_state_dict(values)


def _broadcast(networks: list[Any], num_gpus: int) -> None:
    if num_gpus > 1:
        for net in networks:
            for tensor in [*net.parameters(), *net.buffers()]:
                torch.distributed.broadcast(tensor, src=0)


def _first_files(run: _Run, dataset: Any, *, fresh: bool) -> None:
    """Options, the picture of real images, and the first fakes."""
    shape = tuple(run.options["image_grid"] or grids.grid_shape(dataset.resolution))
    picked = grids.choose_images(dataset, (shape[0], shape[1]))
    labels = torch.from_numpy(labels_of(dataset, picked)).reshape(len(picked), dataset.label_dim)
    run.fakes = grids.FakesGrid(labels, run.G.z_dim, (shape[0], shape[1]), run.options["batch_gpu"], run.device)
    atomic.remove_leftovers(run.run_dir)
    atomic.write_json(run.run_dir / OPTIONS_FILE, run.options)
    if fresh:
        images, _labels = dataset.batch(picked)
        grids.save_grid(images, run.run_dir / "reals.png", run.fakes.shape)
        run.fakes.save(run.G_ema, run.run_dir / "fakes_init.png")
        run.log.say(f"{len(dataset)} images of {dataset.image_shape}, labels {dataset.label_shape}")
        for name, net in (("G", run.G), ("D", run.D)):
            run.log.say(f"{name}: {sum(p.numel() for p in net.parameters()):,} parameters")
    run.log.say(f"Training for {run.options['total_kimg']:g} kimg in {run.run_dir}")


def _train(run: _Run, abort_fn: Callable[[], bool] | None, progress_fn: Callable[[int, int], None] | None) -> bool:
    """Step until done; returns whether the run is finished."""
    total_nimg = max(int(run.options["total_kimg"] * 1000), 1)
    tick_nimg = run.options["kimg_per_tick"] * 1000
    progress = run.progress
    tick_start, started_at = progress.cur_nimg, time.time() - progress.elapsed
    tick_time, maintenance = time.time(), time.time() - started_at - progress.elapsed
    with watch_interrupt() as interrupt:
        while progress.cur_nimg < total_nimg:
            _step(run, total_nimg)
            if progress_fn is not None:
                progress_fn(progress.cur_nimg, total_nimg)
            done = progress.cur_nimg >= total_nimg
            stopped = not done and (_agreed(run, interrupt.requested) or (abort_fn is not None and abort_fn()))
            if not (done or stopped or progress.tick == 0 or progress.cur_nimg >= tick_start + tick_nimg):
                continue
            now = time.time()
            progress.elapsed = now - started_at
            line = tick_line(
                tick=progress.tick,
                cur_nimg=progress.cur_nimg,
                elapsed=progress.elapsed,
                tick_seconds=now - tick_time,
                tick_nimg=progress.cur_nimg - tick_start,
                maintenance=maintenance,
                device=run.device,
            )
            run.log.say(line)
            _maintain(run, last=done or stopped, stopped=stopped)
            progress.tick += 1
            tick_start, tick_time = progress.cur_nimg, time.time()
            maintenance = tick_time - now
            if stopped:
                run.log.say(f"Stopped at {progress.cur_nimg / 1000:g} kimg; the run can be continued")
                return False
    return True


def _agreed(run: _Run, requested: bool) -> bool:
    """Whether any rank was asked to stop; asked of the others only now and then, because it costs a round trip."""
    if run.num_gpus == 1:
        return requested
    if run.progress.step % 16 != 0:
        return False
    flag = torch.tensor([float(requested)], device=run.device)
    torch.distributed.all_reduce(flag)
    return bool(flag.item() > 0)


def _step(run: _Run, total_nimg: int) -> None:
    """One iteration: every phase whose turn it is, then the averaged generator."""
    options, progress = run.options, run.progress
    fraction = lr_fraction(progress.cur_nimg / total_nimg, options["lr_final_fraction"], options["lr_decay_share"])
    phases.set_learning_rate(run.phases, fraction)
    real_img, real_c = run.stream.real(progress.step)
    gen_z, gen_c = run.stream.latents(progress.step, phases=len(run.phases), z_dim=run.G.z_dim)
    for phase, z, c in zip(run.phases, gen_z, gen_c, strict=True):
        if progress.step % phase.interval:
            continue
        names = ("real_img", "real_c", "gen_z", "gen_c")
        split = [t.split(options["batch_gpu"]) for t in (real_img, real_c, z, c)]
        rounds = [dict(zip(names, tensors, strict=True)) for tensors in zip(*split, strict=True)]
        phases.run_phase(phase, run.loss, rounds, cur_nimg=progress.cur_nimg, num_gpus=run.num_gpus)
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


def _maintain(run: _Run, *, last: bool, stopped: bool) -> None:
    """The work of a tick: pictures, snapshot, state, metrics, statistics. Leaves no trace in the random state."""
    tick, kimg = run.progress.tick, run.progress.cur_nimg // 1000
    every_image, every_net = run.options["image_snapshot_ticks"], run.options["network_snapshot_ticks"]
    with state.preserved_random_state():
        if run.fakes is not None and every_image is not None and (last or tick % every_image == 0):
            run.fakes.save(run.G_ema, run.run_dir / f"fakes{kimg:06d}.png")
        saved = every_net is not None and (last or tick % every_net == 0)
        if saved:
            run.snapshot = run.run_dir / f"network-snapshot-{kimg:06d}.pt"
            if run.rank == 0:
                _save_snapshot(run, run.snapshot)
        if saved and not stopped:
            _evaluate(run)
    for phase in run.phases:
        if phase.seconds is not None:
            run.log.report_timing(phase.name, phase.seconds)
    run.log.write_stats(cur_nimg=run.progress.cur_nimg, elapsed=run.progress.elapsed)
    if saved or last:
        # Last, with the tick counted: a continued run must not do this tick again.
        done = copy.copy(run.progress)
        done.tick += 1
        state.save_state(
            run.run_dir / STATE_FILE,
            networks={"G": run.G, "D": run.D, "G_ema": run.G_ema},
            optimizers=phases.optimizers(run.phases),
            loss=run.loss,
            progress=done,
            options=_fixed(run.options),
            rank=run.rank,
            num_gpus=run.num_gpus,
        )


def _fixed(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in FREE_OPTIONS}


def _save_snapshot(run: _Run, path: Path) -> None:
    snapshots.save_snapshot(
        path,
        G=run.G,
        D=run.D,
        G_ema=run.G_ema,
        training_options=run.options,
        cur_nimg=run.progress.cur_nimg,
        link_spec=getattr(run.G, "link_spec", None),
    )


def _evaluate(run: _Run) -> None:
    for name in run.options["metrics"]:
        result = metrics.calc_metric(
            name,
            G=copy.deepcopy(run.G_ema).cpu(),
            dataset_kwargs=dict(run.options["training_set_kwargs"]),
            num_gpus=run.num_gpus,
            rank=run.rank,
            device=run.device,
        )
        run.log.metrics.update(result["results"])
        if run.rank == 0:
            run.log.say(metrics.report_metric(result, run_dir=run.run_dir, snapshot_pkl=run.snapshot))
