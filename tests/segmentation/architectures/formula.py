"""Weights by a formula, so that golden outputs need no stored weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def wave(shape: torch.Size, seed: int) -> Tensor:
    """Float32 in [-1, 1] of any shape, the same on every machine: numbers of a multiplicative congruence."""
    count = math.prod(shape)
    numbers = (torch.arange(1, count + 1, dtype=torch.int64) * 48271 + seed * 7919) % 65537
    numbers = (numbers * numbers * 31 + numbers) % 65537
    return (numbers.double() / 32768 - 1).float().reshape(shape)


def fill(network: nn.Module) -> nn.Module:
    """Give every tensor its numbers, in the order of the state dict, of a size that keeps outputs near 1."""
    for seed, (name, tensor) in enumerate(network.state_dict().items()):
        if not tensor.is_floating_point():
            continue
        value = wave(tensor.shape, seed)
        if tensor.ndim > 1:
            value = value * math.sqrt(3 * 2 / tensor[0].numel())
        elif name.endswith(("running_var", "weight")):
            value = 0.75 + 0.25 * value
        else:
            value = 0.1 * value
        tensor.copy_(value)
    return network
