"""Named configurations: builds the options of a run from a preset and a user's request."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from training_loops import util
from training_loops.camera_options import camera_data_problem
from training_loops.errors import OptionError
from training_loops.network_options import chosen, network_options
from training_loops.options import DataOptions, LoggingOptions, MachineOptions, ScheduleOptions, TrainingOptions
from training_loops.plain_options import plain_network_options
from training_loops.request import TrainingRequest

DATASET = "training_loops.data.folder.ImageFolderDataset"
STYLEGAN2 = "training_loops.stylegan2"
PRESETS = {
    "tiny": f"{STYLEGAN2}.presets.tiny",
    "small": f"{STYLEGAN2}.presets.small",
    "stylegan2": f"{STYLEGAN2}.presets.stylegan2",
    "heads3d": "training_loops.eg3d.presets.heads3d",
    "volume3d": "training_loops.eg3d.presets.volume3d",
    "eg3d": "training_loops.eg3d.presets.eg3d",
    "stylemap": "training_loops.stylemap.presets.stylemap",
    "vae": "training_loops.families.vae.vae",
    "autoencoder": "training_loops.families.vae.autoencoder",
    "dcgan": "training_loops.families.dcgan.dcgan",
    "glo": "training_loops.families.glo.glo",
    "r3gan": "training_loops.families.r3gan.r3gan",
    "lapgan": "training_loops.families.lapgan.lapgan",
    "msg_gan": "training_loops.families.msg_gan.msg_gan",
    "progan": "training_loops.families.progan.progan",
}


@dataclass(frozen=True)
class Preset:
    """Defaults of one configuration; learning rates are for Adam, `ema_kimg` is a half-life, `tick` is in kimg.

    `G`, `D` and `loss` are additional, family-specific arguments of the classes; where G has no `styles`, these are all
    of them. `per_image`: G has a latent of each image of the data. `grow_share`: the share of the run over which the
    resolution grows; None for a fixed one.
    """

    dim: int  # of z and w
    map_depth: int
    cbase: int
    cmax: int
    batch: int
    lr: float
    gamma: float
    ema_kimg: float
    kimg: float
    tick: float
    snap: int
    pl_weight: float = 0.0
    style_mixing: float = 0.0
    G_reg_interval: int | None = None
    D_reg_interval: int | None = 16
    lr_final: float = 1.0
    use_noise: bool = True
    fp16_res: int = 0
    D_architecture: str = "resnet"
    image_grid: tuple[int, int] | None = None
    D_lr: float | None = None  # None: that of G
    betas: tuple[float, float] = (0, 0.99)  # without momentum, as in StyleGAN
    styles: bool = True
    per_image: bool = False
    grow_share: float | None = None
    G_class: str = f"{STYLEGAN2}.networks.Generator"
    D_class: str | None = f"{STYLEGAN2}.networks.Discriminator"
    loss_class: str = f"{STYLEGAN2}.loss.StyleGAN2Loss"
    G: dict[str, Any] = field(default_factory=dict)
    D: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, Any] = field(default_factory=dict)


def preset(cfg: str, resolution: int, gpus: int = 1) -> Preset:
    """Return the preset `cfg` for images of `resolution` pixels.

    Raises:
        OptionError: an unknown name (lists the known ones), or a resolution that this configuration does not support.
    """
    if cfg not in PRESETS:
        raise OptionError(f"cfg {cfg!r}: known are {', '.join(PRESETS)}")
    make: Callable[[int, int], Preset] = util.get_object_by_name(PRESETS[cfg])
    return make(resolution, gpus)


def build_options(request: TrainingRequest) -> TrainingOptions:
    """Return the options of the requested run.

    The data set is opened to read its resolution, size and labels, so that the options describe the run completely.

    Raises:
        OptionError: names the option.
        SnapshotError: `resume` is not a complete snapshot.
    """
    training_set_kwargs, dataset = _training_set(request)
    base = preset(request.cfg, dataset.resolution, request.gpus)
    if request.has_cameras and (problem := camera_data_problem(dataset, mirror=request.mirror)):
        raise OptionError(f"cfg {request.cfg}: {problem}")
    data = _data_options(request, base, training_set_kwargs)
    if base.styles:
        networks = network_options(request, base, dataset.resolution, per_gpu=data.batch_gpu)
    else:
        networks = plain_network_options(request, base, dataset, per_gpu=data.batch_gpu)
    regularizes_G = networks.loss_kwargs.get("pl_weight") or _regularizes_density(networks.G_kwargs)
    schedule = ScheduleOptions(
        total_kimg=chosen(request.kimg, base.kimg),
        lr_final_fraction=chosen(request.lr_final, base.lr_final),
        ema_kimg=chosen(request.ema_kimg, base.ema_kimg),
        # A generator with trained weights has a useful average from the first step.
        ema_rampup=0.05 if request.resume is None else None,
        G_reg_interval=(base.G_reg_interval or 4) if regularizes_G else None,
        D_reg_interval=base.D_reg_interval,
    )
    logging = LoggingOptions(
        kimg_per_tick=chosen(request.tick, base.tick),
        image_snapshot_ticks=chosen(request.snap, base.snap),
        network_snapshot_ticks=chosen(request.snap, base.snap),
        metrics=list(request.metrics),
        image_grid=list(request.image_grid or base.image_grid or ()) or None,
    )
    machine = MachineOptions(cudnn_benchmark=not request.nobench, threads=request.threads)
    return TrainingOptions(data, networks, schedule, logging, machine)


def _data_options(request: TrainingRequest, base: Preset, training_set_kwargs: dict[str, Any]) -> DataOptions:
    batch = chosen(request.batch, base.batch)
    return DataOptions(
        training_set_kwargs,
        batch_size=batch,
        batch_gpu=chosen(request.batch_gpu, max(batch // request.gpus, 1)),
        num_gpus=request.gpus,
        random_seed=request.seed,
    )


def _regularizes_density(G_kwargs: dict[str, Any]) -> bool:
    return bool(G_kwargs.get("rendering_kwargs", {}).get("density_reg", 0))


def _training_set(request: TrainingRequest) -> tuple[dict[str, Any], Any]:
    """Return the data set and its arguments, with resolution and number of images filled in."""
    kwargs: dict[str, Any] = {
        "class_name": DATASET,
        "path": os.fspath(request.data),
        "use_labels": request.cond or request.has_cameras,
        "max_size": request.max_size,
        "xflip": request.mirror,
        "random_seed": request.seed,
    }
    dataset = util.construct_class_by_name(**kwargs)
    kwargs["resolution"] = dataset.resolution
    kwargs["max_size"] = len(dataset) // (2 if request.mirror else 1)
    return kwargs, dataset
