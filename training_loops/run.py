"""The state of a run in one process, built from options or from a saved training state."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training_loops import grids, metrics, phases, processes, snapshots, state, training_stats, util
from training_loops.batches import BatchStream, labels_of
from training_loops.formats import atomic
from training_loops.formats.fingerprint import data_record
from training_loops.logs import RunLog
from training_loops.options import OPTIONS_FILE, NetworkOptions, TrainingOptions
from training_loops.session import Session
from training_loops.settings import set_settings, settings_of

STATE_FILE = state.STATE_FILE


@dataclass
class Run:
    """The state of a run in one process, between steps."""

    options: TrainingOptions
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
    data: dict[str, Any] | None = None
    fakes: grids.FakesGrid | None = None
    snapshot: Path | None = None

    @property
    def networks(self) -> dict[str, Any]:
        """The networks by their roles: G, D where there is one, and G_ema."""
        return {"G": self.G, **({} if self.D is None else {"D": self.D}), "G_ema": self.G_ema}


def set_up(options: TrainingOptions, run_dir: Path, device: torch.device, session: Session) -> Run:
    """Build the run, and with `session.restart` load the saved state; rank 0 writes the first files.

    Args:
        device: the resolved device of the session.
    """
    rank, restart = session.rank, session.restart
    seed, num_gpus = options.data.random_seed, options.data.num_gpus
    processes.check_count(num_gpus)
    training_stats.init_multiprocessing(rank, device if num_gpus > 1 else None)
    dataset = util.construct_class_by_name(**options.data.training_set_kwargs)
    stream = BatchStream(
        dataset, batch_size=options.data.batch_size, seed=seed, device=device, rank=rank, num_gpus=num_gpus
    )
    _seed(seed)  # the same on all ranks, so that they build the same networks
    data = data_record(dataset)
    networks = _build_networks(options.networks, dataset, device)
    if options.networks.resume is not None and not restart:
        _copy_weights(options.networks.resume, networks)
    _broadcast(list(networks.values()), num_gpus)
    G, D, G_ema = networks["G"], networks.get("D"), networks["G_ema"]
    loss = util.construct_class_by_name(device=device, G=G, D=D, augment_pipe=None, **options.networks.loss_kwargs)
    set_settings(G_ema, settings_of(G))
    metrics.check_metrics(options.logging.metrics)
    all_phases = phases.setup_phases("G", G, options.networks.G_opt_kwargs, options.schedule.G_reg_interval)
    if D is not None:
        assert options.networks.D_opt_kwargs is not None
        all_phases += phases.setup_phases("D", D, options.networks.D_opt_kwargs, options.schedule.D_reg_interval)
    _seed(seed, num_gpus, rank)
    progress, knows_data = state.Progress(), True
    if restart:
        progress, knows_data = state.load_state(
            run_dir,
            networks=networks,
            optimizers=phases.optimizers(all_phases),
            loss=loss,
            options=options.fixed(),
            dataset=data,
            rank=rank,
        )
    elif rank == 0:
        _forget(run_dir)
    log = RunLog(
        run_dir,
        rank=rank,
        verbose=session.verbose,
        tensorboard=session.tensorboard,
        continued=restart,
        cur_nimg=progress.cur_nimg,
    )
    run = Run(options, run_dir, device, rank, num_gpus, stream, G, D, G_ema, loss, all_phases, progress, log, data)
    if not knows_data:
        log.say("This run was saved without a fingerprint of its data set; changes of the data cannot be detected")
    if restart:
        run.snapshot = max(run_dir.glob("network-snapshot-*.pt"), default=None)
    else:
        save_state(run, progress)
    if rank == 0:
        _first_files(run, dataset, fresh=not restart)
    return run


def save_state(run: Run, progress: state.Progress) -> None:
    """Write the training state that `set_up` loads; every rank must call this."""
    state.save_state(
        run.run_dir,
        networks=run.networks,
        optimizers=phases.optimizers(run.phases),
        loss=run.loss,
        progress=progress,
        options=run.options.fixed(),
        dataset=run.data,
        rank=run.rank,
        num_gpus=run.num_gpus,
    )


def _forget(run_dir: Path) -> None:
    """Delete the options and training states of an earlier run in this folder."""
    for name in (OPTIONS_FILE, state.STATE_FILE, state.PREVIOUS_FILE):
        (run_dir / name).unlink(missing_ok=True)


def _build_networks(options: NetworkOptions, dataset: Any, device: torch.device) -> dict[str, Any]:
    """Return G and D, if any, in training mode, and a copy of G in eval mode; none requires gradients."""
    dims = {"c_dim": dataset.label_dim, "img_resolution": dataset.resolution, "img_channels": dataset.num_channels}
    networks = {
        role: util.construct_class_by_name(**kwargs, **dims).train().requires_grad_(False).to(device)
        for role, kwargs in (("G", options.G_kwargs), ("D", options.D_kwargs))
        if kwargs is not None
    }
    return {**networks, "G_ema": copy.deepcopy(networks["G"]).eval()}


def _copy_weights(path: str, networks: dict[str, Any]) -> None:
    source = snapshots.load_snapshot(path)
    for role, net in networks.items():
        new = {name: value for name, value in net.state_dict().items() if name.startswith(_added(net))}
        values = {**new, **getattr(source, role).state_dict()}
        try:
            snapshots.check_state(net, values)
        except snapshots.SnapshotError as error:
            raise snapshots.SnapshotError(f"{path}: does not match the networks of this run; {error}") from error
        for name, value in values.items():
            if name.rpartition(".")[2] == "w_avg":
                value.nan_to_num_(0, 0, 0)  # stylegan2-ada-pytorch stores NaN there when it runs on a CPU
        broken = [name for name, value in values.items() if not bool(value.isfinite().all())]
        if broken:
            raise snapshots.SnapshotError(
                f"{path}: {role}.{broken[0]} holds numbers that are not finite ({len(broken)} tensors do), so its "
                "training diverged; resume from an earlier snapshot"
            )
        net.load_state_dict(values)


def _added(net: Any) -> tuple[str, ...]:
    """Return the beginnings of the names of parameters that a trained network may lack, () for most classes."""
    return tuple(getattr(net, "ADDED", ()))


def _broadcast(networks: list[Any], num_gpus: int) -> None:
    if num_gpus > 1:
        for net in networks:
            for tensor in [*net.parameters(), *net.buffers()]:
                processes.copy_from_first(tensor)


def _first_files(run: Run, dataset: Any, *, fresh: bool) -> None:
    """Write the grids of real and initial fake images, then the options, which mark the folder as a run."""
    shape = tuple(run.options.logging.image_grid or grids.grid_shape(dataset.resolution))
    picked = grids.choose_images(dataset, (shape[0], shape[1]))
    labels = torch.from_numpy(labels_of(dataset, picked)).reshape(len(picked), dataset.label_dim)
    run.fakes = grids.FakesGrid(labels, run.G.z_dim, (shape[0], shape[1]), run.options.data.batch_gpu, run.device)
    atomic.remove_leftovers(run.run_dir)
    if fresh:
        images, _labels = dataset.batch(picked)
        grids.save_grid(images, run.run_dir / "reals.png", run.fakes.shape)
        run.fakes.save(run.G_ema, run.run_dir / "fakes_init.png")
        run.log.say(f"{len(dataset)} images of {dataset.image_shape}, labels {dataset.label_shape}")
        for name, net in run.networks.items():
            if name == "G_ema":
                continue
            run.log.say(f"{name}: {sum(p.numel() for p in net.parameters()):,} parameters")
    atomic.write_json(run.run_dir / OPTIONS_FILE, run.options.to_json())
    run.log.say(f"Training for {run.options.schedule.total_kimg:g} kimg in {run.run_dir}")


def _seed(*numbers: int) -> None:
    """Seed the global random generators from several numbers."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
