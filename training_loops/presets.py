"""Named configurations: a preset and the user's options become keyword arguments for `training_loop`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from training_loops import util
from training_loops.camera_options import camera_data_problem, scene_kwargs
from training_loops.errors import OptionError
from training_loops.settings import settings_of
from training_loops.snapshots import load_snapshot

DATASET = "training_loops.formats.folder.ImageFolderDataset"
STYLEGAN2 = "training_loops.stylegan2"
PRESETS = {
    "tiny": f"{STYLEGAN2}.presets.tiny",
    "small": f"{STYLEGAN2}.presets.small",
    "stylegan2": f"{STYLEGAN2}.presets.stylegan2",
    "heads3d": "training_loops.eg3d.presets.heads3d",
    "eg3d": "training_loops.eg3d.presets.eg3d",
}
WITH_CAMERAS = ("heads3d", "eg3d")


@dataclass(frozen=True)
class Preset:
    """Defaults of one configuration; learning rates are Adam's, `ema_kimg` a half-life, `tick` in kimg.

    `G`, `D` and `loss` are arguments of the classes beyond those that all families share.
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
    lr_final: float = 1.0
    use_noise: bool = True
    fp16_res: int = 0
    D_architecture: str = "resnet"
    image_grid: tuple[int, int] | None = None
    D_lr: float | None = None  # where it is not that of G
    G_class: str = f"{STYLEGAN2}.networks.Generator"
    D_class: str = f"{STYLEGAN2}.networks.Discriminator"
    loss_class: str = f"{STYLEGAN2}.loss.StyleGAN2Loss"
    G: dict[str, Any] = field(default_factory=dict)
    D: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Start:
    """Arguments of G and D, but for those that follow from the data, and what G's settings begin with."""

    G: dict[str, Any]
    D: dict[str, Any]
    settings: dict[str, int] = field(default_factory=dict)


def preset(cfg: str, resolution: int, gpus: int = 1) -> Preset:
    """The preset called `cfg` for images of `resolution` pixels.

    Raises:
        OptionError: an unknown name (lists the known ones), or a resolution that this configuration is not for.
    """
    if cfg not in PRESETS:
        raise OptionError(f"cfg {cfg!r}: known are {', '.join(PRESETS)}")
    make: Callable[[int, int], Preset] = util.get_object_by_name(PRESETS[cfg])
    return make(resolution, gpus)


def build_options(
    *,
    cfg: str,
    data: str | os.PathLike[str],
    gpus: int = 1,
    batch: int | None = None,
    batch_gpu: int | None = None,
    gamma: float | None = None,
    cond: bool = False,
    mirror: bool = False,
    max_size: int | None = None,
    resume: str | os.PathLike[str] | None = None,
    freezed: int = 0,
    cbase: int | None = None,
    cmax: int | None = None,
    z_dim: int | None = None,
    w_dim: int | None = None,
    map_depth: int | None = None,
    mbstd_group: int | None = None,
    noise: bool | None = None,
    glr: float | None = None,
    dlr: float | None = None,
    lr_final: float | None = None,
    pl_weight: float | None = None,
    style_mixing: float | None = None,
    ema_kimg: float | None = None,
    kimg: float | None = None,
    tick: float | None = None,
    snap: int | None = None,
    metrics: Sequence[str] = (),
    seed: int = 0,
    fp32: bool = False,
    fp16_res: int | None = None,
    half: str = "float16",
    nobench: bool = False,
    threads: int | None = None,
    image_grid: Sequence[int] | None = None,
    neural_res: int | None = None,
    density_reg: float | None = None,
    gpc_reg_prob: float | None = None,
) -> dict[str, Any]:
    """Keyword arguments for `training_loop` (all but run_dir and what concerns this machine), JSON-able.

    None means the preset's value; for an option of the networks that of the snapshot to `resume` from. `data` is
    opened to find its resolution, size and labels, so that the options describe the run completely. The last three
    are for configurations with cameras: side of the rendered image, weight of the density's total variation,
    probability of conditioning on another image's camera.

    Raises:
        OptionError: names the option. SnapshotError: `resume` is not a whole snapshot.
    """
    cameras = cfg in WITH_CAMERAS
    training_set_kwargs, dataset = _training_set(
        data, cond=cond or cameras, mirror=mirror, max_size=max_size, seed=seed
    )
    base = preset(cfg, dataset.resolution, gpus)
    if cameras and (problem := camera_data_problem(dataset, mirror=mirror)):
        raise OptionError(f"cfg {cfg}: {problem}")

    def chosen(value: Any, default: Any) -> Any:
        return default if value is None else value

    total_batch = chosen(batch, base.batch)
    per_gpu = chosen(batch_gpu, max(total_batch // gpus, 1))
    group = chosen(mbstd_group, min(4, per_gpu))
    if per_gpu % min(group, per_gpu):
        raise OptionError(f"mbstd_group={group}: expected a divisor of the {per_gpu} images a process sees at a time")
    start = _preset_start(base) if resume is None else _snapshot_start(resume, cfg, base)
    given = {**_known(channel_base=cbase, channel_max=cmax), **_precision(fp32, fp16_res)}
    given_G = _known(z_dim=z_dim, w_dim=w_dim, use_noise=noise, mapping_kwargs=_known(num_layers=map_depth))
    given_D = {"block_kwargs": {"freeze_layers": freezed}, "epilogue_kwargs": {"mbstd_group_size": group}}
    scene = _known(neural_res=neural_res, density_reg=density_reg, gpc_reg_prob=gpc_reg_prob)
    loss = base.loss
    if cameras:
        resolution = start.settings.get("neural_rendering_resolution")
        scene_G, loss = scene_kwargs(start.G, loss, **{**_known(neural_res=resolution), **scene})
        head = _known(sr_num_fp16_res=given.get("num_fp16_res"))
        given_G = _layered(given_G, scene_G, head)
    elif scene:
        raise OptionError(f"{next(iter(scene))}: cfg {cfg} has no cameras; it is for {', '.join(WITH_CAMERAS)}")
    G_kwargs = _layered(start.G, given, given_G)
    D_kwargs = _layered(start.D, given, given_D)
    _check_width(G_kwargs, G_kwargs.get("plane_resolution", 256) if cameras else dataset.resolution)
    _check_width(D_kwargs, dataset.resolution)
    if G_kwargs.get("num_fp16_res") != 0:
        G_kwargs["half"] = half
    if G_kwargs.get("sr_num_fp16_res", 0) != 0:
        G_kwargs["sr_kwargs"] = {**G_kwargs["sr_kwargs"], "half": half}
    if D_kwargs.get("num_fp16_res") != 0:
        D_kwargs["block_kwargs"]["half"] = half
    adam = {"class_name": "torch.optim.Adam", "betas": [0, 0.99], "eps": 1e-8}
    pl = chosen(pl_weight, base.pl_weight)
    return {
        "training_set_kwargs": training_set_kwargs,
        "G_kwargs": {"class_name": base.G_class, **G_kwargs},
        "D_kwargs": {"class_name": base.D_class, **D_kwargs},
        "G_opt_kwargs": {**adam, "lr": chosen(glr, base.lr)},
        "D_opt_kwargs": {**adam, "lr": chosen(dlr, chosen(base.D_lr, base.lr))},
        "loss_kwargs": {
            "class_name": base.loss_class,
            "r1_gamma": chosen(gamma, base.gamma),
            "pl_weight": pl,
            "style_mixing_prob": chosen(style_mixing, base.style_mixing),
            **loss,
        },
        "metrics": list(metrics),
        "random_seed": seed,
        "num_gpus": gpus,
        "batch_size": total_batch,
        "batch_gpu": per_gpu,
        "ema_kimg": chosen(ema_kimg, base.ema_kimg),
        # A generator that starts from trained weights has an average worth keeping from the first step.
        "ema_rampup": 0.05 if resume is None else None,
        "G_reg_interval": (base.G_reg_interval or 4) if pl or _regularizes_density(G_kwargs) else None,
        "D_reg_interval": 16,
        "total_kimg": chosen(kimg, base.kimg),
        "kimg_per_tick": chosen(tick, base.tick),
        "image_snapshot_ticks": chosen(snap, base.snap),
        "network_snapshot_ticks": chosen(snap, base.snap),
        "lr_final_fraction": chosen(lr_final, base.lr_final),
        "image_grid": list(image_grid or base.image_grid or ()) or None,
        "resume": None if resume is None else os.fspath(resume),
        "cudnn_benchmark": not nobench,
        "threads": threads,
    }


def _preset_start(base: Preset) -> _Start:
    capacity = {"channel_base": base.cbase, "channel_max": base.cmax, **_precision(False, base.fp16_res)}
    latents = {"z_dim": base.dim, "w_dim": base.dim, "mapping_kwargs": {"num_layers": base.map_depth}}
    return _Start(
        _layered({**latents, "use_noise": base.use_noise, **capacity}, base.G),
        _layered({"architecture": base.D_architecture, "mapping_kwargs": {}, **capacity}, base.D),
    )


def _snapshot_start(path: str | os.PathLike[str], cfg: str, base: Preset) -> _Start:
    """What a snapshot's networks were made of."""
    source = load_snapshot(path)
    for network, name in ((source.G, base.G_class), (source.D, base.D_class)):
        if type(network) is not util.get_object_by_name(name):
            raise OptionError(f"resume={path}: holds a {type(network).__name__}; cfg {cfg} trains a {name}")
    from_data = ("c_dim", "img_resolution", "img_channels")
    G, D = (
        {name: value for name, value in net.init_kwargs.items() if name not in from_data}
        for net in (source.G, source.D)
    )
    return _Start(G, D, settings_of(source.G))


def _check_width(kwargs: dict[str, Any], resolution: int) -> None:
    """Raise OptionError where the layers of a network at its highest resolution would have no feature map left."""
    base = kwargs["channel_base"]
    if base < resolution:
        raise OptionError(f"cbase={base}: expected at least {resolution}, for a feature map at {resolution} pixels")


def _regularizes_density(G_kwargs: dict[str, Any]) -> bool:
    return bool(G_kwargs.get("rendering_kwargs", {}).get("density_reg", 0))


def _precision(fp32: bool, fp16_res: int | None) -> dict[str, Any]:
    """What layers compute in, and the clamp that half precision needs; nothing where neither option is given."""
    if not fp32 and fp16_res is None:
        return {}
    count = 0 if fp32 else fp16_res
    return {"num_fp16_res": count, "conv_clamp": 256 if count else None}


def _known(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _layered(*layers: dict[str, Any]) -> dict[str, Any]:
    """Arguments of which later layers win; a dict among them is layered likewise."""
    kwargs: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            kwargs[name] = _layered(kwargs.get(name) or {}, value) if isinstance(value, dict) else value
    return kwargs


def _training_set(
    data: str | os.PathLike[str], *, cond: bool, mirror: bool, max_size: int | None, seed: int
) -> tuple[dict[str, Any], Any]:
    """The data set's options, explicit about what it holds, and the data set."""
    kwargs: dict[str, Any] = {
        "class_name": DATASET,
        "path": os.fspath(data),
        "use_labels": cond,
        "max_size": max_size,
        "xflip": mirror,
        "random_seed": seed,
    }
    dataset = util.construct_class_by_name(**kwargs)
    kwargs["resolution"] = dataset.resolution
    kwargs["max_size"] = len(dataset) // (2 if mirror else 1)
    return kwargs, dataset
