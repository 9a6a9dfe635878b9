"""The networks and calls whose outputs by the public StyleGAN2 code are kept in golden_stylegan2.npz."""

from __future__ import annotations

from typing import Any

Z_DIM, W_DIM, BATCH, RESOLUTION = 12, 16, 4, 16

_WIDTH = {"channel_base": 256, "channel_max": 24, "num_fp16_res": 0}

GENERATORS: dict[str, dict[str, Any]] = {
    "skip": {"architecture": "skip", "conv_clamp": None},
    "orig": {"architecture": "orig", "conv_clamp": None, "resample_filter": [1, 2, 1]},
    "resnet": {"architecture": "resnet", "conv_clamp": 0.6},
    "asymmetric": {"architecture": "resnet", "conv_clamp": None, "resample_filter": [[1, 2, 0], [3, 4, 1], [1, 0, 2]]},
}
DISCRIMINATORS: dict[str, dict[str, Any]] = {
    "resnet": {"architecture": "resnet", "conv_clamp": None},
    "orig": {"architecture": "orig", "conv_clamp": 0.6},
    "skip": {"architecture": "skip", "conv_clamp": None, "block_kwargs": {"resample_filter": [1, 4, 6, 4, 1]}},
}
# (label dimensions, truncation_psi, truncation_cutoff, noise_mode)
CALLS: list[tuple[int, float, int | None, str]] = [(0, 1.0, None, "const"), (3, 0.7, 2, "none")]


def generator_kwargs(name: str, c_dim: int) -> dict[str, Any]:
    """Constructor arguments of a generator."""
    dims = {"z_dim": Z_DIM, "c_dim": c_dim, "w_dim": W_DIM, "img_resolution": RESOLUTION, "img_channels": 3}
    return {**dims, "mapping_kwargs": {"num_layers": 2}, **_WIDTH, **GENERATORS[name]}


def discriminator_kwargs(name: str, c_dim: int) -> dict[str, Any]:
    """Constructor arguments of a discriminator."""
    dims = {"c_dim": c_dim, "img_resolution": RESOLUTION, "img_channels": 3}
    return {**dims, "epilogue_kwargs": {"mbstd_group_size": 2}, **_WIDTH, **DISCRIMINATORS[name]}
