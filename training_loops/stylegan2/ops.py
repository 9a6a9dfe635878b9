"""Small tensor operations of StyleGAN2: activations with gain, and the normalisation of latents."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.errors import OptionError

HALF = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Activation:
    """A pointwise function, which may reuse its input's memory, and the gain that keeps the scale of its input."""

    apply: Callable[[Tensor], Tensor]
    gain: float
    homogeneous: bool  # f(a x) = a f(x) for a > 0, so gains can be folded into the preceding operation


def _unchanged(x: Tensor) -> Tensor:
    return x


# Named functions only, so that networks containing them can be pickled.
ACTIVATIONS = {
    "linear": Activation(_unchanged, 1.0, True),
    "relu": Activation(partial(F.relu, inplace=True), math.sqrt(2), True),
    "lrelu": Activation(partial(F.leaky_relu, negative_slope=0.2, inplace=True), math.sqrt(2), True),
    "tanh": Activation(torch.tanh, 1.0, False),
    "sigmoid": Activation(torch.sigmoid, 1.0, False),
    "elu": Activation(F.elu, 1.0, False),
    "selu": Activation(F.selu, 1.0, False),
    "softplus": Activation(F.softplus, 1.0, False),
    "swish": Activation(F.silu, math.sqrt(2), False),
}


def activation(name: str) -> Activation:
    """Return the activation called `name`; raises OptionError for an unknown one."""
    if name not in ACTIVATIONS:
        raise OptionError(f"activation {name!r}: known are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def half_dtype(name: str) -> torch.dtype:
    """Return the half-precision type called `name`; raises OptionError for an unknown one."""
    if name not in HALF:
        raise OptionError(f"half {name!r}: known are {', '.join(HALF)}")
    return HALF[name]


def works_in_half(half: torch.dtype, device: torch.device) -> bool:
    """Return whether `device` supports convolutions in `half`: float16 on GPUs only; bfloat16 also on CPUs."""
    return device.type == "cuda" or half == torch.bfloat16


def layout(channels_last: bool) -> torch.memory_format:
    """Return the memory format of feature maps: channels_last, or one plane per channel."""
    return torch.channels_last if channels_last else torch.contiguous_format


def memory_format(device: torch.device, half_channels_last: bool) -> torch.memory_format:
    """Return the layout of feature maps: channels_last on the CPU (fastest there), elsewhere by the option."""
    return torch.channels_last if device.type == "cpu" or half_channels_last else torch.contiguous_format


def normalize_2nd_moment(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Scale the rows of `x` [N, D] to a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + eps).rsqrt()
