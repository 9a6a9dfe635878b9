"""Weights and inputs from a formula, so that anyone can compute the same outputs with another implementation."""

from __future__ import annotations

import numpy as np
import torch


def wave(shape: tuple[int, ...], phase: float) -> np.ndarray:
    """Numbers of mean about 0 and variance about 1: sqrt(2) cos(phase + 0.7 i + 0.001 i^2), float32."""
    i = np.arange(int(np.prod(shape)), dtype=np.float64)
    return (np.sqrt(2) * np.cos(phase + 0.7 * i + 0.001 * i * i)).reshape(shape).astype(np.float32)


def fill(net: torch.nn.Module) -> None:
    """Set every parameter and buffer but the resampling filters, in the order of their sorted names."""
    tensors = dict(net.named_parameters()) | dict(net.named_buffers())
    for number, name in enumerate(sorted(n for n in tensors if not n.endswith("resample_filter"))):
        values = wave(tuple(tensors[name].shape), 1.3 * number)
        if name.endswith(("bias", "noise_strength", "w_avg")):
            values = 0.2 * values + (1.0 if name.endswith("affine.bias") else 0.0)
        if ".fc" in name and "mapping" in name and name.endswith("weight"):
            values = values * 100  # the mapping network learns 100 times slower: its weights are stored larger
        with torch.no_grad():
            tensors[name].copy_(torch.from_numpy(np.asarray(values)))
