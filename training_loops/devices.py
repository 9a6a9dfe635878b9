"""Tensors on a device, brought there without making the host wait for it."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device. The copy runs while the host goes on.

    Args:
        tensor: [...], on the CPU.
        device: where it is wanted.
    """
    if device.type == "cuda":
        tensor = tensor.pin_memory()  # PyTorch keeps it until the copy has ended
    return tensor.to(device, non_blocking=True)


def constant(values: tuple[Any, ...], like: Tensor) -> Tensor:
    """Return a tensor of numbers, of the dtype and on the device of another, which is shared: do not write to it.

    It is copied to a device once. A copy in every call would make the host wait for a GPU every time.

    Args:
        values: numbers [N], or tuples of them [N, ...].
        like: [...], any tensor.
    """
    return _constant(values, like.dtype, like.device)


@functools.lru_cache(maxsize=256)
def _constant(values: tuple[Any, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # A tensor created in inference mode could not be used in training later.
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
