"""The options of a training run: everything that affects training, and what a run writes; training_options.json."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from training_loops.errors import OptionError

OPTIONS_FILE = "training_options.json"

# The keys of the file in its order: those of all groups below, flattened.
KEYS = (
    "training_set_kwargs",
    "G_kwargs",
    "D_kwargs",
    "G_opt_kwargs",
    "D_opt_kwargs",
    "loss_kwargs",
    "metrics",
    "random_seed",
    "num_gpus",
    "batch_size",
    "batch_gpu",
    "ema_kimg",
    "ema_rampup",
    "G_reg_interval",
    "D_reg_interval",
    "total_kimg",
    "kimg_per_tick",
    "image_snapshot_ticks",
    "network_snapshot_ticks",
    "lr_final_fraction",
    "lr_decay_share",
    "image_grid",
    "resume",
    "cudnn_benchmark",
    "threads",
)


@dataclass(frozen=True)
class DataOptions:
    """The inputs of a training step.

    Attributes:
        training_set_kwargs: the data set, ``{"class_name": "package.module.Class", ...}``.
        batch_size: images of a step over all processes; a multiple of num_gpus * batch_gpu.
        batch_gpu: images at a time in one process, from 1.
        num_gpus: processes that train together, from 1.
        random_seed: of initial weights, latents and the order of the images, from 0.
    """

    training_set_kwargs: dict[str, Any]
    batch_size: int
    batch_gpu: int
    num_gpus: int = 1
    random_seed: int = 0


@dataclass(frozen=True)
class NetworkOptions:
    """What is trained, and by which loss and optimizers.

    Attributes:
        G_kwargs: the generator, ``{"class_name": "package.module.Class", ...}``, without what follows from the data.
        D_kwargs: the discriminator, likewise; None for a loss without one.
        G_opt_kwargs: the generator's optimizer, with its learning rate `lr`.
        D_opt_kwargs: the discriminator's; None without one.
        loss_kwargs: the loss.
        resume: a snapshot to start from the weights of; None for random weights.
    """

    G_kwargs: dict[str, Any]
    D_kwargs: dict[str, Any] | None
    G_opt_kwargs: dict[str, Any]
    D_opt_kwargs: dict[str, Any] | None
    loss_kwargs: dict[str, Any]
    resume: str | None = None


@dataclass(frozen=True)
class ScheduleOptions:
    """The length of a run and its schedules.

    Attributes:
        total_kimg: length of the run in thousand images, more than 0.
        lr_final_fraction: final learning rates as a fraction of the initial ones, 0 to 1.
        lr_decay_share: last share of the run over which they fall linearly to that, more than 0 to 1.
        ema_kimg: half-life of the averaged generator in thousand images.
        ema_rampup: limit of that half-life as a share of the images seen so far; None for no limit.
        G_reg_interval: iterations between two regularizations of G, from 1; None for every one, in the main step.
        D_reg_interval: likewise for D.
    """

    total_kimg: float = 25000
    lr_final_fraction: float = 1.0
    lr_decay_share: float = 0.25
    ema_kimg: float = 10
    ema_rampup: float | None = 0.05
    G_reg_interval: int | None = None
    D_reg_interval: int | None = 16


@dataclass(frozen=True)
class LoggingOptions:
    """What a run writes; these options do not affect training.

    Attributes:
        kimg_per_tick: thousand images between two lines of statistics, more than 0.
        image_snapshot_ticks: ticks between two grids of generated images, from 1; None for none.
        network_snapshot_ticks: ticks between two snapshots, from 1; None for none.
        metrics: names of registered metrics that are calculated at every snapshot.
        image_grid: (columns, rows) of the grids; None for as many as the hosts show at this resolution.
    """

    kimg_per_tick: float = 4
    image_snapshot_ticks: int | None = 50
    network_snapshot_ticks: int | None = 50
    metrics: Sequence[str] = ()
    image_grid: Sequence[int] | None = None


@dataclass(frozen=True)
class MachineOptions:
    """Options of the machine.

    Attributes:
        cudnn_benchmark: let cuDNN select its fastest algorithms.
        threads: CPU threads of a process, from 1; None for PyTorch's default.
    """

    cudnn_benchmark: bool = True
    threads: int | None = None


@dataclass(frozen=True)
class TrainingOptions:
    """All options of a run, as plain data; written to training_options.json and every snapshot."""

    data: DataOptions
    networks: NetworkOptions
    schedule: ScheduleOptions
    logging: LoggingOptions
    machine: MachineOptions

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingOptions:
        """Return the options in a flat dictionary written by `to_json`.

        Args:
            values: keys are among `KEYS`. Missing keys get their default; batch_gpu the whole share of one process.
        Raises:
            OptionError: names an unknown key, or a missing key without a default; or `values` is no dictionary.
        """
        if not isinstance(values, Mapping):
            raise OptionError(f"the options are a {type(values).__name__}, expected an object with keys")
        unknown = [key for key in values if key not in KEYS]
        if unknown:
            raise OptionError(f"option {unknown[0]!r}: known are {', '.join(KEYS)}")
        given = {"num_gpus": 1, "batch_size": 4, **values}
        given["batch_gpu"] = given.get("batch_gpu") or given["batch_size"] // max(given["num_gpus"], 1)
        if given.get("resume") is not None:
            given["resume"] = os.fspath(given["resume"])
        return cls(**{name: _group(kind, given) for name, kind in _GROUPS.items()})

    def to_json(self) -> dict[str, Any]:
        """Return one flat dictionary of all groups' options, in the order of `KEYS`."""
        values = {f.name: getattr(group, f.name) for group in self._groups() for f in fields(group)}
        return {key: values[key] for key in KEYS}

    def fixed(self) -> dict[str, Any]:
        """Return the options that affect training; a resumed run must have the same."""
        free = {"total_kimg", *(f.name for group in (self.logging, self.machine) for f in fields(group))}
        return {key: value for key, value in self.to_json().items() if key not in free}

    def check(self) -> None:
        """Raise OptionError, which names the option, for a number out of its range."""
        data, schedule = self.data, self.schedule
        batch, gpus, per_gpu = data.batch_size, data.num_gpus, data.batch_gpu
        if min(batch, gpus, per_gpu) < 1 or batch % (gpus * per_gpu):
            raise OptionError(f"batch_size={batch}: expected a multiple of num_gpus={gpus} times batch_gpu={per_gpu}")
        if not schedule.total_kimg > 0 or not self.logging.kimg_per_tick > 0:
            raise OptionError("total_kimg and kimg_per_tick: expected more than 0")
        wrong = next(_not_finite(self.to_json(), ""), None)
        if wrong is not None:
            raise OptionError(f"{wrong}: expected a finite number")
        if not 0 < schedule.lr_decay_share <= 1 or not 0 <= schedule.lr_final_fraction <= 1:
            raise OptionError("lr_decay_share and lr_final_fraction: expected shares between 0 and 1")

    def _groups(self) -> list[Any]:
        return [getattr(self, name) for name in _GROUPS]


_GROUPS: dict[str, type[Any]] = {
    "data": DataOptions,
    "networks": NetworkOptions,
    "schedule": ScheduleOptions,
    "logging": LoggingOptions,
    "machine": MachineOptions,
}


def read_options(run_dir: str | os.PathLike[str]) -> TrainingOptions:
    """Return the options of the run in a folder.

    Raises:
        OptionError: the file is missing or does not contain the options of a run.
    """
    path = Path(run_dir) / OPTIONS_FILE
    try:
        return TrainingOptions.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: not the folder of a run that can be resumed ({error})") from error


def _group(kind: type[Any], values: Mapping[str, Any]) -> Any:
    for f in fields(kind):
        if f.name not in values and f.default is MISSING:
            raise OptionError(f"option {f.name}: is missing")
    return kind(**{f.name: values[f.name] for f in fields(kind) if f.name in values})


def _not_finite(data: Any, name: str) -> Iterator[str]:
    """Yield the options that are not finite numbers, which JSON cannot store."""
    if isinstance(data, float) and not math.isfinite(data):
        yield f"{name}={data}"
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list | tuple) else ()
    for key, value in parts:
        yield from _not_finite(value, f"{name}.{key}" if name else str(key))
