"""The networks and inputs whose outputs by the public R3GAN code are kept in golden_r3gan.npz.

Everything here takes the classes from outside, so that the same lines run the public ones (`host_outputs.py`) and ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.training_loops.stylegan2.filled import wave

Z_DIM, LABELS, BATCH, RESOLUTION = 12, 3, 2, 16
_SHAPE = {"CardinalityPerStage": [4, 2, 3], "BlocksPerStage": [2, 1, 1], "ExpansionFactor": 2}
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "labels": {"c_dim": LABELS},
    "half": {"half": True},
    "kernels": {"KernelSize": 5, "ResamplingFilter": [1, 4, 6, 4, 1], "ExpansionFactor": 3},
}


def kwargs(name: str, network: str) -> dict[str, Any]:
    """Constructor arguments of a case's G or D."""
    case = {"c_dim": 0, "half": False, **CASES[name]}
    half = [-1, -2] if case.pop("half") else []
    given = {**_SHAPE, "WidthPerStage": [16, 16, 12], "img_resolution": RESOLUTION, "FP16Stages": half, **case}
    if network == "D":
        given |= {key: given[key][::-1] for key in ("WidthPerStage", "CardinalityPerStage", "BlocksPerStage")}
        given["FP16Stages"] = [number + len(half) for number in half]
    else:
        given["NoiseDimension"] = Z_DIM
    return given | ({"ConditionEmbeddingDimension": 8} if case["c_dim"] else {})


def fill(network: torch.nn.Module) -> None:
    """Set every parameter from a formula, at the size that it is drawn with; filters stay."""
    for number, (name, value) in enumerate(sorted(network.named_parameters())):
        scale = 1.0 if name.endswith(("Basis", "Bias")) else (value[0].numel()) ** -0.5
        with torch.no_grad():
            value.copy_(torch.from_numpy(np.asarray(scale * wave(tuple(value.shape), 1.3 * number))))


def tensor_names(network: torch.nn.Module) -> list[str]:
    """Kind, name and shape of every tensor, in order."""
    parameters = [f"parameter {name} {list(value.shape)}" for name, value in network.named_parameters()]
    return parameters + [f"buffer {name} {list(value.shape)}" for name, value in network.named_buffers()]


@torch.no_grad()
def outputs(make: dict[str, Callable[..., Any]], name: str) -> Iterator[tuple[str, Tensor]]:
    """Name and float32 value of what is compared of the networks that `make` builds: images, and scores of a wave."""
    networks = {letter: make[letter](**kwargs(name, letter)).eval() for letter in "GD"}
    for network in networks.values():
        fill(network)
    c = torch.from_numpy(wave((BATCH, CASES[name].get("c_dim", 0)), 0.2))
    z = torch.from_numpy(wave((BATCH, Z_DIM), 0.1))
    seen = torch.from_numpy(wave((BATCH, 3, RESOLUTION, RESOLUTION), 0.3))
    yield f"{name}.image", networks["G"](z, c).float()
    yield f"{name}.score", networks["D"](seen, c).float()
