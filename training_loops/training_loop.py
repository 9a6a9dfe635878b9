"""The training loop of all families: builds the run, trains, and writes logs, images, snapshots and state."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from training_loops import memory, phases, processes
from training_loops.formats.interrupt import watch_interrupt
from training_loops.formats.lock import locked
from training_loops.logs import TickClock
from training_loops.maintenance import maintain
from training_loops.options import OPTIONS_FILE, MachineOptions, TrainingOptions, read_options
from training_loops.processes import default_device, local_rank
from training_loops.run import STATE_FILE, Run, set_up
from training_loops.session import Session

__all__ = [
    "OPTIONS_FILE",
    "STATE_FILE",
    "Session",
    "TrainingOptions",
    "TrainingResult",
    "default_device",
    "lr_fraction",
    "read_options",
    "training_loop",
]


@dataclass(frozen=True)
class TrainingResult:
    """The result of a run: `finished` is false after Ctrl-C or abort_fn; `snapshot` is the last one written."""

    cur_nimg: int
    finished: bool
    snapshot: Path | None


def training_loop(
    options: TrainingOptions, run_dir: str | os.PathLike[str], session: Session | None = None
) -> TrainingResult:
    """Train, write all files to `run_dir`, and return the progress.

    On Ctrl-C, or when `session.abort_fn` returns true, the current step is finished and the run can be resumed.
    With several processes every rank calls this with its own session.

    Args:
        options: the options of the run.
        run_dir: the run's folder; created if missing.
        session: the session of this process; by default a single process that starts a new run.
    Raises:
        OptionError (SnapshotError for files): names the option, before any training.
        LockedError: another process trains in `run_dir`.
    """
    session = session or Session()
    options.check()
    folder = Path(run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device(session.device) if session.device is not None else default_device(local_rank(session.rank))
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())  # some PyTorch functions require an index
    _configure_torch(device, options.machine)
    with locked(folder) if session.rank == 0 else contextlib.nullcontext():
        run = set_up(options, folder, device, session)
        try:
            finished = _train(run, session)
        finally:
            run.log.close()
    return TrainingResult(run.progress.cur_nimg, finished, run.snapshot)


def _configure_torch(device: torch.device, options: MachineOptions) -> None:
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    if device.type == "cpu":
        memory.keep_freed_memory()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.backends.cudnn.benchmark = options.cudnn_benchmark
    # TF32 would round factors to 10 bits; the hosts disable it too.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def _train(run: Run, session: Session) -> bool:
    """Train until done or stopped; return whether the run is finished."""
    total_nimg = max(int(run.options.schedule.total_kimg * 1000), 1)
    tick_nimg = run.options.logging.kimg_per_tick * 1000
    progress, clock = run.progress, TickClock(run.progress)
    with watch_interrupt() as interrupt:
        while progress.cur_nimg < total_nimg:
            _step(run, total_nimg)
            if session.progress_fn is not None:
                session.progress_fn(progress.cur_nimg, total_nimg)
            done = progress.cur_nimg >= total_nimg
            requested = interrupt.requested or (session.abort_fn is not None and session.abort_fn())
            stopped = not done and _agreed(run, requested)
            if done or stopped or clock.due(tick_nimg):
                run.log.say(clock.end_tick(run.device))
                maintain(run, last=done or stopped, stopped=stopped)
                clock.start_tick()
            if stopped:
                run.log.say(f"Stopped at {progress.cur_nimg / 1000:g} kimg; the run can be resumed")
                return False
    return True


def _agreed(run: Run, requested: bool) -> bool:
    """Return whether any rank was requested to stop; checked every 16 steps, because it needs communication."""
    if run.num_gpus == 1:
        return requested
    if run.progress.step % 16 != 0:
        return False
    flag = torch.tensor([float(requested)], device=run.device)
    processes.add_up(flag)
    return bool(flag.item() > 0)


def _step(run: Run, total_nimg: int) -> None:
    """Run one iteration: all phases that are due, then the update of G_ema."""
    data, schedule, progress = run.options.data, run.options.schedule, run.progress
    fraction = lr_fraction(progress.cur_nimg / total_nimg, schedule.lr_final_fraction, schedule.lr_decay_share)
    phases.set_learning_rate(run.phases, fraction)
    # All phases use the same batch of real images; each phase has its own latents.
    real = dict(zip(("real_img", "real_c"), run.stream.real(progress.step), strict=True))
    if getattr(run.loss, "needs_index", False):
        real["real_index"] = run.stream.own_indices(progress.step)
    gen_z, gen_c = run.stream.latents(progress.step, phases=len(run.phases), z_dim=run.G.z_dim)
    # The loss updates the averages for an unsplit batch; for a split one, the updates are averaged (see `run_phase`).
    split_batch = data.batch_gpu != data.batch_size
    averages = phases.moving_averages(*(net for net in (run.G, run.D) if net is not None)) if split_batch else []
    for phase, z, c in zip(run.phases, gen_z, gen_c, strict=True):
        if progress.step % phase.interval:
            continue
        inputs = {**real, "gen_z": z, "gen_c": c}
        split = [t.split(data.batch_gpu) for t in inputs.values()]
        rounds = [dict(zip(inputs, tensors, strict=True)) for tensors in zip(*split, strict=True)]
        phases.run_phase(phase, run.loss, rounds, cur_nimg=progress.cur_nimg, num_gpus=run.num_gpus, averages=averages)
    phases.update_ema(
        run.G_ema,
        run.G,
        cur_nimg=progress.cur_nimg,
        batch_size=data.batch_size,
        ema_kimg=schedule.ema_kimg,
        rampup=schedule.ema_rampup,
    )
    progress.cur_nimg += data.batch_size
    progress.step += 1


def lr_fraction(done: float, final: float, share: float) -> float:
    """Return 1 until ``1 - share`` of the run is `done`, then a linear decay to `final` at the end."""
    # r(t) = 1 - (1 - final) clip((t - (1 - share)) / share, 0, 1), t the share of the run that is done
    return 1.0 - (1.0 - final) * min(max((done - (1.0 - share)) / share, 0.0), 1.0)
