"""The networks and calls whose outputs by the public StyleGAN3 code are kept in golden_stylegan3.npz.

Everything here takes the class from outside, so that the same lines run the public one (`host_outputs.py`) and ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tests.training_loops.stylegan2.filled import fill, wave

Z_DIM, W_DIM, BATCH, RESOLUTION, LABELS = 12, 16, 2, 16, 3

_NARROW = {"channel_base": 256, "channel_max": 12, "num_fp16_res": 0, "magnitude_ema_beta": 0.6}
_MAPPING = {"num_layers": 2, "w_avg_beta": 0.7}
_BANDS = {"first_cutoff": 1.5, "first_stopband": 5, "last_stopband_rel": 1.5}
_R = {"conv_kernel": 1, "use_radial_filters": True}

GENERATORS: dict[str, dict[str, Any]] = {
    "T": {},
    "R": _R,
    "bands": {"num_layers": 6, "num_critical": 3, "margin_size": 4, **_BANDS},
    "long filters": {"num_layers": 5, "filter_size": 7, "lrelu_upsampling": 4, "conv_clamp": None, "output_scale": 1},
    "radial filters": {**_R, "conv_kernel": 4, "num_layers": 5, "filter_size": 3},
    "no filters": {"num_layers": 5, "filter_size": 1, "lrelu_upsampling": 1, "conv_clamp": 0.6, "conv_kernel": 5},
}
# (label dimensions, truncation_psi, truncation_cutoff)
CALLS: list[tuple[int, float, int | None]] = [(0, 1.0, None), (LABELS, 0.7, 4), (0, 0.7, None)]


def generator_kwargs(name: str, c_dim: int) -> dict[str, Any]:
    """Constructor arguments of a generator."""
    dims = {"z_dim": Z_DIM, "c_dim": c_dim, "w_dim": W_DIM, "img_resolution": RESOLUTION, "img_channels": 3}
    return {**dims, "mapping_kwargs": _MAPPING, **_NARROW, **GENERATORS[name]}


def prepare(G: Any) -> None:
    """Fill every weight and average from a formula, and turn, stretch and move the image; designed filters stay."""
    G.eval().requires_grad_(False)
    designed = {name: value.clone() for name, value in G.named_buffers() if name.endswith("_filter")}
    fill(G)
    for name, value in G.named_buffers():
        if name in designed:
            value.copy_(designed[name])
        elif name.endswith("magnitude_ema"):
            value.abs_().add_(0.5)
    cos, sin = math.cos(0.4), math.sin(0.4)
    G.synthesis.input.transform.copy_(torch.tensor([[1.2 * cos, -sin, 0.13], [sin, 0.9 * cos, -0.21], [0, 0, 1]]))


def outputs(make: Callable[..., Any], name: str) -> Iterator[tuple[str, Tensor]]:
    """Name and value of what is compared of the generator that `make` builds from keyword arguments."""
    z = torch.from_numpy(wave((BATCH, Z_DIM), 0.1))
    for c_dim, psi, cutoff in CALLS:
        c = torch.from_numpy(wave((BATCH, c_dim), 0.2))
        G = make(**generator_kwargs(name, c_dim))
        prepare(G)
        ws = G.mapping(z, c, truncation_psi=psi, truncation_cutoff=cutoff)
        yield f"{name}.{c_dim}.{psi}.w", ws[:, ::4]
        yield f"{name}.{c_dim}.{psi}.image", G.synthesis(ws, noise_mode="const")[..., ::2]
    yield f"{name}.updating", G(z, c, update_emas=True, noise_mode="random", force_fp32=True)[:, 0]
    averages = [value for key, value in G.named_buffers() if key.endswith("magnitude_ema")]
    yield f"{name}.averages", torch.stack([*averages, *G.mapping.w_avg])


def tensor_names(G: nn.Module) -> list[str]:
    """Name, shape and type of every tensor in the order of the state dict, parameters' names first."""
    parameters = [f"parameter {name}" for name, _ in G.named_parameters()]
    state = [f"{name} {list(value.shape)} {value.dtype}" for name, value in G.state_dict().items()]
    return parameters + state
