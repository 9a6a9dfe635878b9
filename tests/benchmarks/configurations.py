"""One configuration in two words: the embedded host's options, and those of stylegan3's own training loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training_loops.presets import build_options
from training_loops.request import TrainingRequest

# Steps of a block: a multiple of the lazy regularization of G (4) and D (16).
BLOCK = 16
# What --cfg=stylegan2 trains with, whatever its size, and what the tiny preset does without.
TERMS: dict[str, dict[str, Any]] = {
    "stylegan2": {"pl_weight": 2.0, "style_mixing": 0.9, "noise": True},
    "tiny": {"pl_weight": 0.0, "style_mixing": 0.0, "noise": False},
}
_LOSS = "tests.benchmarks.interleaved.InterleavedLoss"
_NEVER = 10**6


def embedded_options(data: Path, terms: str, cfg: str, **overrides: Any) -> dict[str, Any]:
    """Return the embedded host's training options, as training_options.json has them.

    Args:
        data: zip of images.
        terms: one of `TERMS`.
        cfg: preset.
        overrides: further attributes of `TrainingRequest`.
    """
    request = TrainingRequest(cfg, data, fp32=True, snap=_NEVER, tick=_NEVER, kimg=_NEVER, **TERMS[terms], **overrides)
    options = build_options(request).to_json()
    base = {name: value for name, value in options["loss_kwargs"].items() if name != "class_name"}
    base["pl_no_weight_grad"] = True
    return {**options, "loss_kwargs": _interleaved(options["loss_kwargs"]["class_name"], base)}


def host_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same options as stylegan3's own training loop takes them for ``--cfg=stylegan2``."""
    network, loss = "training.networks_stylegan2", options["loss_kwargs"]
    generator = {**options["G_kwargs"], "class_name": f"{network}.Generator"}
    discriminator = {**options["D_kwargs"], "class_name": f"{network}.Discriminator"}
    same = ("batch_size", "batch_gpu", "ema_kimg", "G_reg_interval", "D_reg_interval", "random_seed")
    never = dict.fromkeys(("total_kimg", "kimg_per_tick"), _NEVER)
    return {
        "training_set_kwargs": {**options["training_set_kwargs"], "class_name": "training.dataset.ImageFolderDataset"},
        "G_kwargs": {**generator, "fused_modconv_default": "inference_only"},
        "D_kwargs": discriminator,
        **{key: _with_float_betas(options[key]) for key in ("G_opt_kwargs", "D_opt_kwargs")},
        "loss_kwargs": _interleaved("training.loss.StyleGAN2Loss", loss["base_kwargs"]),
        **{key: options[key] for key in same},
        **never,
        **dict.fromkeys(("image_snapshot_ticks", "network_snapshot_ticks"), None),
    }


def _interleaved(base: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {"class_name": _LOSS, "base_class_name": base, "base_kwargs": dict(kwargs), "block": BLOCK}


def _with_float_betas(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {**kwargs, "betas": [float(beta) for beta in kwargs["betas"]]}
