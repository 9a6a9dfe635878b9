"""Options of families without styles: the preset's networks and loss, changed by the flags that they have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from training_loops.errors import OptionError
from training_loops.network_options import adam_kwargs, check_width, chosen, snapshot_start
from training_loops.options import NetworkOptions
from training_loops.request import TrainingRequest

if TYPE_CHECKING:
    from training_loops.presets import Preset

# Attributes of a request -> the argument of G, D or the loss that each one sets.
_NETWORKS = {"z_dim": "z_dim", "cbase": "channel_base", "cmax": "channel_max", "mbstd_group": "mbstd_group_size"}
_LOSS = {"gamma": "r1_gamma"}
# Attributes that only families with styles, cameras or half precision have.
_STYLES = (
    "w_dim",
    "map_depth",
    "noise",
    "pl_weight",
    "style_mixing",
    "fp16_res",
    "neural_res",
    "density_reg",
    "gpc_reg_prob",
)


def plain_network_options(request: TrainingRequest, base: Preset, dataset: Any, *, per_gpu: int) -> NetworkOptions:
    """Return the preset's or the snapshot's networks, loss and optimizers, overridden by the request.

    Args:
        request: the user's choices.
        base: its preset, which names all arguments of the classes.
        dataset: the images, of which the number and the resolution are used.
        per_gpu: images at a time in one process.
    Raises:
        OptionError: names the option; also for one that this family does not have.
        SnapshotError: `resume` is not a complete snapshot.
    """
    G, D, loss = dict(base.G), dict(base.D), dict(base.loss)
    if request.resume is not None:
        start = snapshot_start(request.resume, request.cfg, base)
        G, D = start.G, start.D
    if "mbstd_group_size" in D:
        D["mbstd_group_size"] = group = chosen(request.mbstd_group, min(4, per_gpu))
        if per_gpu % min(group, per_gpu):
            raise OptionError(f"mbstd_group={group}: expected a divisor of the {per_gpu} images per process at a time")
    _set_given(request, G, D, loss)
    if base.per_image:
        G["num_images"] = len(dataset)
    if base.grow_share is not None:
        loss["grow_kimg"] = base.grow_share * chosen(request.kimg, base.kimg) if request.resume is None else 0.0
    for kwargs in (G, D):
        if kwargs:
            check_width(kwargs, dataset.resolution)
    adam = adam_kwargs(base.betas)
    has_D = base.D_class is not None
    return NetworkOptions(
        G_kwargs={"class_name": base.G_class, **G},
        D_kwargs={"class_name": base.D_class, **D} if has_D else None,
        G_opt_kwargs={**adam, "lr": chosen(request.glr, base.lr)},
        D_opt_kwargs={**adam, "lr": chosen(request.dlr, chosen(base.D_lr, base.lr))} if has_D else None,
        loss_kwargs={"class_name": base.loss_class, **loss},
        resume=None if request.resume is None else os.fspath(request.resume),
    )


def _set_given(request: TrainingRequest, G: dict[str, Any], D: dict[str, Any], loss: dict[str, Any]) -> None:
    """Set the arguments that the request names, in place. OptionError for one that no network or loss has."""
    missing = [name for name in _STYLES if getattr(request, name) is not None]
    missing += ["freezed"] if request.freezed else []
    missing += ["dlr"] if request.dlr is not None and not D else []
    for names, places in ((_NETWORKS, (G, D)), (_LOSS, (loss,))):
        for name, argument in names.items():
            having = [place for place in places if argument in place]
            if (value := getattr(request, name)) is None:
                continue
            missing += [] if having else [name]
            for place in having:
                place[argument] = value
    if missing:
        raise OptionError(f"{missing[0]}: cfg {request.cfg} has no such option")
