"""Options of networks, loss and optimizers: from a preset or a snapshot, overridden by the request."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from training_loops import util
from training_loops.camera_options import scene_kwargs
from training_loops.errors import OptionError
from training_loops.options import NetworkOptions
from training_loops.request import WITH_CAMERAS, TrainingRequest
from training_loops.settings import settings_of
from training_loops.snapshots import load_snapshot

if TYPE_CHECKING:
    from training_loops.presets import Preset


@dataclass(frozen=True)
class Start:
    """Arguments of G and D, except those that follow from the data, and the initial values of G's settings."""

    G: dict[str, Any]
    D: dict[str, Any]
    settings: dict[str, int] = field(default_factory=dict)


def network_options(request: TrainingRequest, base: Preset, resolution: int, *, per_gpu: int) -> NetworkOptions:
    """Return the preset's or the snapshot's networks, loss and optimizers, overridden by the request.

    Args:
        request: the user's choices.
        base: its preset.
        resolution: of the images, in pixels.
        per_gpu: images at a time in one process.
    Raises:
        OptionError: names the option.
        SnapshotError: `resume` is not a complete snapshot.
    """
    # The minibatch standard deviation splits the batch of D into groups of one size.
    group = chosen(request.mbstd_group, min(4, per_gpu))
    if per_gpu % min(group, per_gpu):
        raise OptionError(f"mbstd_group={group}: expected a divisor of the {per_gpu} images per process at a time")
    start = _preset_start(base) if request.resume is None else snapshot_start(request.resume, request.cfg, base)
    shared = {
        **_known(channel_base=request.cbase, channel_max=request.cmax),
        **_precision(request.fp32, request.fp16_res),
    }
    scene_G, loss = _scene(request, base, start, num_fp16_res=shared.get("num_fp16_res"))
    G_kwargs = _layered(start.G, shared, _given_G(request), scene_G)
    freeze = {"block_kwargs": {"freeze_layers": request.freezed}, "epilogue_kwargs": {"mbstd_group_size": group}}
    D_kwargs = _layered(start.D, shared, freeze)
    check_width(G_kwargs, G_kwargs.get("plane_resolution", 256) if request.has_cameras else resolution)
    check_width(D_kwargs, resolution)
    _set_half(G_kwargs, D_kwargs, request.half)
    adam = adam_kwargs(base.betas)
    return NetworkOptions(
        G_kwargs={"class_name": base.G_class, **G_kwargs},
        D_kwargs={"class_name": base.D_class, **D_kwargs},
        G_opt_kwargs={**adam, "lr": chosen(request.glr, base.lr)},
        D_opt_kwargs={**adam, "lr": chosen(request.dlr, chosen(base.D_lr, base.lr))},
        loss_kwargs={
            "class_name": base.loss_class,
            "r1_gamma": chosen(request.gamma, base.gamma),
            "pl_weight": chosen(request.pl_weight, base.pl_weight),
            "style_mixing_prob": chosen(request.style_mixing, base.style_mixing),
            **loss,
        },
        resume=None if request.resume is None else os.fspath(request.resume),
    )


def adam_kwargs(betas: tuple[float, float]) -> dict[str, Any]:
    """Return the arguments of Adam, without its learning rate."""
    return {"class_name": "torch.optim.Adam", "betas": list(betas), "eps": 1e-8}


def _given_G(request: TrainingRequest) -> dict[str, Any]:
    return _known(
        z_dim=request.z_dim,
        w_dim=request.w_dim,
        use_noise=request.noise,
        mapping_kwargs=_known(num_layers=request.map_depth),
    )


def _scene(
    request: TrainingRequest, base: Preset, start: Start, *, num_fp16_res: int | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the camera arguments of G, and all family-specific arguments of the loss."""
    given = _known(neural_res=request.neural_res, density_reg=request.density_reg, gpc_reg_prob=request.gpc_reg_prob)
    if not request.has_cameras:
        if given:
            raise OptionError(
                f"{next(iter(given))}: cfg {request.cfg} has no cameras; it is for {', '.join(WITH_CAMERAS)}"
            )
        return {}, base.loss
    before = _known(neural_res=start.settings.get("neural_rendering_resolution"))
    scene_G, loss = scene_kwargs(start.G, base.loss, **{**before, **given})
    return _layered(scene_G, _known(sr_num_fp16_res=num_fp16_res)), loss


def _set_half(G_kwargs: dict[str, Any], D_kwargs: dict[str, Any], half: str) -> None:
    """Set the half-precision dtype, in place, in all arguments of networks with layers that use it."""
    if G_kwargs.get("num_fp16_res") != 0:
        G_kwargs["half"] = half
    if G_kwargs.get("sr_num_fp16_res", 0) != 0:
        G_kwargs["sr_kwargs"] = {**G_kwargs["sr_kwargs"], "half": half}
    if D_kwargs.get("num_fp16_res") != 0:
        D_kwargs["block_kwargs"]["half"] = half


def _preset_start(base: Preset) -> Start:
    capacity = {"channel_base": base.cbase, "channel_max": base.cmax, **_precision(False, base.fp16_res)}
    latents = {"z_dim": base.dim, "w_dim": base.dim, "mapping_kwargs": {"num_layers": base.map_depth}}
    return Start(
        _layered({**latents, "use_noise": base.use_noise, **capacity}, base.G),
        _layered({"architecture": base.D_architecture, "mapping_kwargs": {}, **capacity}, base.D),
    )


def snapshot_start(path: str | os.PathLike[str], cfg: str, base: Preset) -> Start:
    """Return the arguments of a snapshot's networks.

    Args:
        path: the snapshot.
        cfg: the name of the preset, for messages.
        base: the preset.
    Raises:
        OptionError: networks of other classes than the preset's.
        SnapshotError: not a complete snapshot.
    """
    source = load_snapshot(path)
    for network, name in ((source.G, base.G_class), (source.D, base.D_class)):
        if type(network) is not (type(None) if name is None else util.get_object_by_name(name)):
            raise OptionError(f"resume={path}: holds a {type(network).__name__}; cfg {cfg} trains a {name}")
    from_data = ("c_dim", "img_resolution", "img_channels", "num_images")
    G, D = (
        {} if net is None else {name: value for name, value in net.init_kwargs.items() if name not in from_data}
        for net in (source.G, source.D)
    )
    return Start(G, D, settings_of(source.G))


def check_width(kwargs: dict[str, Any], resolution: int) -> None:
    """Raise OptionError where layers at the highest resolution would have no feature maps."""
    base = kwargs["channel_base"]
    if base < resolution:
        raise OptionError(f"cbase={base}: expected at least {resolution}, for a feature map at {resolution} pixels")


def _precision(fp32: bool, fp16_res: int | None) -> dict[str, Any]:
    """Return the precision of layers and the clamp for half precision; empty where neither option is given."""
    if not fp32 and fp16_res is None:
        return {}
    # Without a clamp, float16 would overflow at 65504.
    count = 0 if fp32 else fp16_res
    return {"num_fp16_res": count, "conv_clamp": 256 if count else None}


def _known(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _layered(*layers: dict[str, Any]) -> dict[str, Any]:
    """Merge dicts; later ones override earlier ones, and nested dicts are merged in the same way."""
    kwargs: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            kwargs[name] = _layered(kwargs.get(name) or {}, value) if isinstance(value, dict) else value
    return kwargs


def chosen(value: Any, default: Any) -> Any:
    """Return `value`, or `default` where it is None."""
    return default if value is None else value
