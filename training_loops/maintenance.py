"""The work at the end of a tick: images, snapshots, metrics, statistics and the training state."""

from __future__ import annotations

import copy
import zlib
from pathlib import Path

import torch

from training_loops import metrics, processes, snapshots, state
from training_loops.run import Run, save_state


def maintain(run: Run, *, last: bool, stopped: bool) -> None:
    """Write images, snapshot, metrics, statistics and the training state; the random state is preserved."""
    tick, kimg = run.progress.tick, run.progress.cur_nimg // 1000
    every_image, every_net = run.options.logging.image_snapshot_ticks, run.options.logging.network_snapshot_ticks
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
        check_alike(run.networks, run.num_gpus)
        # Last, with the tick counted: a resumed run must not repeat this tick.
        done = copy.copy(run.progress)
        done.tick += 1
        save_state(run, done)


def check_alike(networks: dict[str, torch.nn.Module], num_gpus: int) -> None:
    """Raise RuntimeError, naming the differing tensors, unless the networks are bit-identical on all ranks."""
    if num_gpus == 1:
        return
    own = {
        f"{role}.{name}": _digest(value) for role, net in networks.items() for name, value in net.state_dict().items()
    }
    first, *others = processes.gathered(own, num_gpus)
    for rank, theirs in enumerate(others, start=1):
        different = [name for name in first if theirs.get(name) != first[name]]
        if different:
            shown = ", ".join(different[:5]) + (", ..." if len(different) > 5 else "")
            raise RuntimeError(f"the networks of ranks 0 and {rank} differ in {len(different)} tensors: {shown}")


def _digest(value: torch.Tensor) -> int:
    return zlib.crc32(value.detach().cpu().contiguous().numpy().tobytes())


def _save_snapshot(run: Run, path: Path) -> None:
    snapshots.save_snapshot(
        path,
        G=run.G,
        D=run.D,
        G_ema=run.G_ema,
        training_options=run.options.to_json(),
        cur_nimg=run.progress.cur_nimg,
        link_spec=getattr(run.G, "link_spec", None),
    )


def _evaluate(run: Run) -> None:
    for name in run.options.logging.metrics:
        result = metrics.calc_metric(
            name,
            G=copy.deepcopy(run.G_ema).cpu(),
            dataset_kwargs=dict(run.options.data.training_set_kwargs),
            num_gpus=run.num_gpus,
            rank=run.rank,
            device=run.device,
        )
        run.log.metrics.update(result["results"])
        if run.rank == 0:
            run.log.say(metrics.report_metric(result, run_dir=run.run_dir, snapshot_pkl=run.snapshot))
