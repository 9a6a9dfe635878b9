"""Named configurations: a preset and the user's options become keyword arguments for `training_loop`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from training_loops import util
from training_loops.errors import OptionError
from training_loops.snapshots import load_snapshot

NETWORKS = "training_loops.stylegan2.networks"
DATASET = "training_loops.data.folder.ImageFolderDataset"
LOSS = "training_loops.stylegan2.loss.StyleGAN2Loss"


@dataclass(frozen=True)
class Preset:
    """Defaults of one configuration; learning rates are Adam's, `ema_kimg` a half-life, `tick` in kimg."""

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


def _tiny(resolution: int, gpus: int) -> Preset:
    """For one CPU thread and images of about 32 pixels: minutes, not days."""
    return Preset(
        dim=64,
        map_depth=2,
        cbase=512,
        cmax=64,
        batch=8,
        lr=0.003,
        gamma=0.3,
        ema_kimg=5,
        kimg=80,
        tick=1,
        snap=10,
        lr_final=0.1,
        use_noise=False,
        image_grid=(16, 8),
    )


def _small(resolution: int, gpus: int) -> Preset:
    """For a CPU over night or a small GPU: the full method at an eighth of the width."""
    return Preset(
        dim=256,
        map_depth=4,
        cbase=4096,
        cmax=128,
        batch=32,
        lr=0.0025,
        gamma=0.0002 * resolution**2 / 32,
        ema_kimg=10,
        kimg=2000,
        tick=4,
        snap=10,
        pl_weight=2.0,
        style_mixing=0.9,
        G_reg_interval=4,
        image_grid=(16, 8),
    )


def _stylegan2(resolution: int, gpus: int) -> Preset:
    """The public StyleGAN2 defaults by resolution: batch, learning rate, R1 weight and width follow from it."""
    batch = max(min(gpus * min(4096 // resolution, 32), 64), gpus)
    return Preset(
        dim=512,
        map_depth=8,
        cbase=32768 if resolution >= 512 else 16384,
        cmax=512,
        batch=batch,
        lr=0.002 if resolution >= 1024 else 0.0025,
        gamma=0.0002 * resolution**2 / batch,
        ema_kimg=batch * 10 / 32,
        kimg=25000,
        tick=4,
        snap=50,
        pl_weight=2.0,
        style_mixing=0.9,
        G_reg_interval=4,
        fp16_res=4,
    )


PRESETS: dict[str, Callable[[int, int], Preset]] = {"tiny": _tiny, "small": _small, "stylegan2": _stylegan2}


def preset(cfg: str, resolution: int, gpus: int = 1) -> Preset:
    """The preset called `cfg` for images of `resolution` pixels; OptionError lists the known names."""
    if cfg not in PRESETS:
        raise OptionError(f"cfg {cfg!r}: known are {', '.join(PRESETS)}")
    return PRESETS[cfg](resolution, gpus)


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
) -> dict[str, Any]:
    """Keyword arguments for `training_loop` (all but run_dir and what concerns this machine), JSON-able.

    None means the preset's value; for an option of the networks that of the snapshot to `resume` from. `data` is
    opened to find its resolution, size and labels, so that the options describe the run completely.

    Raises:
        OptionError: names the option. SnapshotError: `resume` is not a whole snapshot.
    """
    training_set_kwargs, resolution = _training_set(data, cond=cond, mirror=mirror, max_size=max_size, seed=seed)
    base = preset(cfg, resolution, gpus)

    def chosen(value: Any, default: Any) -> Any:
        return default if value is None else value

    total_batch = chosen(batch, base.batch)
    per_gpu = chosen(batch_gpu, max(total_batch // gpus, 1))
    group = chosen(mbstd_group, min(4, per_gpu))
    if per_gpu % min(group, per_gpu):
        raise OptionError(f"mbstd_group={group}: expected a divisor of the {per_gpu} images a process sees at a time")
    start_G, start_D = _preset_kwargs(base) if resume is None else _snapshot_kwargs(resume)
    given = {**_known(channel_base=cbase, channel_max=cmax), **_precision(fp32, fp16_res)}
    given_G = _known(z_dim=z_dim, w_dim=w_dim, use_noise=noise, mapping_kwargs=_known(num_layers=map_depth))
    given_D = {"block_kwargs": {"freeze_layers": freezed}, "epilogue_kwargs": {"mbstd_group_size": group}}
    G_kwargs = _layered(start_G, given, given_G)
    D_kwargs = _layered(start_D, given, given_D)
    if G_kwargs.get("num_fp16_res") != 0:
        G_kwargs["half"] = half
    if D_kwargs.get("num_fp16_res") != 0:
        D_kwargs["block_kwargs"]["half"] = half
    adam = {"class_name": "torch.optim.Adam", "betas": [0, 0.99], "eps": 1e-8}
    pl = chosen(pl_weight, base.pl_weight)
    return {
        "training_set_kwargs": training_set_kwargs,
        "G_kwargs": {"class_name": f"{NETWORKS}.Generator", **G_kwargs},
        "D_kwargs": {"class_name": f"{NETWORKS}.Discriminator", **D_kwargs},
        "G_opt_kwargs": {**adam, "lr": chosen(glr, base.lr)},
        "D_opt_kwargs": {**adam, "lr": chosen(dlr, base.lr)},
        "loss_kwargs": {
            "class_name": LOSS,
            "r1_gamma": chosen(gamma, base.gamma),
            "pl_weight": pl,
            "style_mixing_prob": chosen(style_mixing, base.style_mixing),
        },
        "metrics": list(metrics),
        "random_seed": seed,
        "num_gpus": gpus,
        "batch_size": total_batch,
        "batch_gpu": per_gpu,
        "ema_kimg": chosen(ema_kimg, base.ema_kimg),
        # A generator that starts from trained weights has an average worth keeping from the first step.
        "ema_rampup": 0.05 if resume is None else None,
        "G_reg_interval": (base.G_reg_interval or 4) if pl else None,
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


def _preset_kwargs(base: Preset) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of G and D but for those that follow from the data."""
    capacity = {"channel_base": base.cbase, "channel_max": base.cmax, **_precision(False, base.fp16_res)}
    latents = {"z_dim": base.dim, "w_dim": base.dim, "mapping_kwargs": {"num_layers": base.map_depth}}
    return (
        {**latents, "use_noise": base.use_noise, **capacity},
        {"architecture": base.D_architecture, "mapping_kwargs": {}, **capacity},
    )


def _snapshot_kwargs(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of a snapshot's G and D."""
    source = load_snapshot(path)
    from_data = ("c_dim", "img_resolution", "img_channels")
    G, D = (
        {name: value for name, value in net.init_kwargs.items() if name not in from_data}
        for net in (source.G, source.D)
    )
    return G, D


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
) -> tuple[dict[str, Any], int]:
    """The data set's options, explicit about what it holds, and its resolution in pixels."""
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
    return kwargs, dataset.resolution
