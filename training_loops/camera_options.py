"""Options of training runs with 3D-aware generators: checks of the data, and arguments of G and the loss."""

from __future__ import annotations

from typing import Any

from training_loops.formats.cameras import LABEL_DIM

_GPC_REG_PROB = 0.5  # default when resuming from a snapshot that is conditioned on cameras


def camera_data_problem(dataset: Any, *, mirror: bool) -> str:
    """Return why `dataset` cannot train a generator whose labels are cameras, '' where it can."""
    if dataset.label_dim != LABEL_DIM:
        return (
            f"the labels of data '{dataset.path}' have {dataset.label_dim} numbers, expected the {LABEL_DIM} of a "
            "camera: a pose [4, 4] and intrinsics [3, 3]"
        )
    if dataset.num_channels != 3:
        return f"the images of data '{dataset.path}' have {dataset.num_channels} channel, expected 3 (RGB)"
    if mirror:
        return "mirroring an image changes its camera; add mirrored images with their own labels to the data instead"
    return ""


def scene_kwargs(
    G_kwargs: dict[str, Any],
    loss_kwargs: dict[str, Any],
    *,
    neural_res: int | None = None,
    density_reg: float | None = None,
    gpc_reg_prob: float | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return arguments of G that override `G_kwargs`, and all arguments of the loss, based on `loss_kwargs`.

    Args:
        neural_res: initial side of the rendered image.
        density_reg: weight of the density's total variation.
        gpc_reg_prob: probability of conditioning on another image's camera; if given, G is conditioned on cameras.
    """
    if gpc_reg_prob is None and not G_kwargs["rendering_kwargs"].get("c_gen_conditioning_zero", False):
        gpc_reg_prob = loss_kwargs.get("gpc_reg_prob") or _GPC_REG_PROB
    rendering: dict[str, Any] = {"c_gen_conditioning_zero": gpc_reg_prob is None}
    if density_reg is not None:
        rendering["density_reg"] = density_reg
    loss = {**loss_kwargs, "gpc_reg_prob": gpc_reg_prob}
    if neural_res is not None:
        loss["neural_rendering_resolution_initial"] = neural_res
    return {"rendering_kwargs": rendering}, loss
