"""Tensor operations of StyleGAN2: activations with gain, FIR resampling, and convolutions with both folded in.

Notation: a filter `taps` is a tuple of numbers [1, 3, 3, 1] (separable), or a tuple of such rows. Resampling by 2
means: insert zeros (or drop samples) and convolve with the filter scaled to sum 1 (gain 4 on the way up), with
zeros outside the image. Following a convolution by such a filter is one linear map of its weight, so the pair is
computed as a single dense convolution at the lower resolution.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Taps = tuple[float, ...] | tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Activation:
    """A pointwise function and the gain that keeps the scale of its input."""

    apply: Callable[[Tensor], Tensor]
    gain: float
    homogeneous: bool  # f(a x) = a f(x) for a > 0, so gains may be folded into what comes before


ACTIVATIONS = {
    "linear": Activation(lambda x: x, 1.0, True),
    "relu": Activation(F.relu, math.sqrt(2), True),
    "lrelu": Activation(lambda x: F.leaky_relu(x, 0.2), math.sqrt(2), True),
    "tanh": Activation(torch.tanh, 1.0, False),
    "sigmoid": Activation(torch.sigmoid, 1.0, False),
    "elu": Activation(F.elu, 1.0, False),
    "selu": Activation(F.selu, 1.0, False),
    "softplus": Activation(F.softplus, 1.0, False),
    "swish": Activation(F.silu, math.sqrt(2), False),
}


def activation(name: str) -> Activation:
    """Return the activation called `name`; ValueError lists the known ones."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r}: known are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def normalize_2nd_moment(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Scale the rows of `x` [N, D] to a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + eps).rsqrt()


def parse_taps(filter_: object) -> Taps:
    """Return a filter given as nested sequence, array or tensor (or None: no filter) as hashable `Taps`."""
    values = np.atleast_1d(np.asarray(1.0 if filter_ is None else filter_, dtype=np.float64))
    if values.ndim > 2 or values.size == 0:
        raise ValueError(f"resample_filter of shape {list(values.shape)}: expected 1 or 2 dimensions")
    return tuple(tuple(row) for row in values.tolist()) if values.ndim == 2 else tuple(values.tolist())


def filter_buffer(taps: Taps) -> Tensor:
    """Return the filter as public snapshots store it: sum 1, and an outer product below 8 separable taps."""
    f = torch.tensor(taps, dtype=torch.float32)
    if f.ndim == 1 and f.numel() < 8:
        f = torch.outer(f, f)
    return f / f.sum()


def _filter_2d(taps: Taps) -> Tensor:
    """The normalised filter as a float64 matrix, turned so that it is applied as a correlation."""
    f = torch.tensor(taps, dtype=torch.float64, device="cpu")
    if f.ndim == 1:
        f = torch.outer(f, f)
    return (f / f.sum()).flip([0, 1])


def _composed(taps: Taps, kernel: int, flip: bool) -> Tensor:
    """The filter followed by a kernel, as a linear map [kernel, kernel, T, T] of the kernel's entries."""
    f = _filter_2d(taps)
    height, width = f.shape
    out = torch.zeros([kernel, kernel, height + kernel - 1, width + kernel - 1], dtype=torch.float64, device="cpu")
    for y in range(kernel):
        for x in range(kernel):
            at_y, at_x = (kernel - 1 - y, kernel - 1 - x) if flip else (y, x)
            out[y, x, at_y : at_y + height, at_x : at_x + width] = f
    return out


def _phases(length: int, pad: int) -> tuple[list[list[tuple[int, int]]], int]:
    """For output parity 0 and 1: (tap, input offset) pairs of a kernel over a zero-interleaved row; and the reach."""
    rows = [[(t, (p + t - pad) // 2) for t in range(length) if (p + t - pad) % 2 == 0] for p in (0, 1)]
    return rows, max(abs(offset) for row in rows for _, offset in row)


@functools.lru_cache(maxsize=64)
def _up_map(taps: Taps, kernel: int, flip: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Linear map [kernel^2, 4 r^2] from a kernel to its four low-resolution phase kernels of size r."""
    composed = _composed(taps, kernel, flip) * 4
    size_y, size_x = composed.shape[2:]
    (phases_y, reach_y), (phases_x, reach_x) = (
        _phases(n, kernel // 2 + (n - kernel + 2) // 2) for n in (size_y, size_x)
    )
    reach = max(reach_y, reach_x)
    r = 2 * reach + 1
    out = torch.zeros([kernel, kernel, 2, 2, r, r], dtype=torch.float64, device="cpu")
    for py, row_y in enumerate(phases_y):
        for px, row_x in enumerate(phases_x):
            for ty, oy in row_y:
                for tx, ox in row_x:
                    out[:, :, py, px, oy + reach, ox + reach] = composed[:, :, ty, tx]
    return out.reshape(kernel**2, 4 * r * r).to(device=device, dtype=dtype)


@functools.lru_cache(maxsize=64)
def _down_map(taps: Taps, kernel: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Linear map [kernel^2, Ty Tx] from a kernel to the strided kernel that also filters."""
    return _composed(taps, kernel, flip=False).reshape(kernel**2, -1).to(device=device, dtype=dtype)


def _size(taps: Taps) -> tuple[int, int]:
    height, width = _filter_2d(taps).shape
    return height, width


def conv2d_up(x: Tensor, weight: Tensor, taps: Taps) -> Tensor:
    """Upsample `x` [N, I, H, W] by 2, convolve with `weight` [O, I, k, k] and filter; returns [N, O, 2H, 2W].

    The weight is applied as a convolution (turned by 180 degrees), as in the public snapshots.
    """
    out_channels, in_channels, kernel, _ = weight.shape
    fold = _up_map(taps, kernel, True, weight.dtype, weight.device)
    r = math.isqrt(fold.shape[1] // 4)
    phases = weight.reshape(-1, kernel**2) @ fold  # [O I, 4 r r]
    phases = phases.reshape(out_channels, in_channels, 4, r, r).transpose(1, 2)
    y = F.conv2d(x, phases.reshape(out_channels * 4, in_channels, r, r), padding=r // 2)
    return F.pixel_shuffle(y, 2)


def conv2d_down(x: Tensor, weight: Tensor, bias: Tensor | None, taps: Taps) -> Tensor:
    """Filter `x` [N, I, H, W], correlate with `weight` [O, I, k, k], keep every second sample: [N, O, H/2, W/2]."""
    out_channels, in_channels, kernel, _ = weight.shape
    height, width = _size(taps)
    folded = weight.reshape(-1, kernel**2) @ _down_map(taps, kernel, weight.dtype, weight.device)
    folded = folded.reshape(out_channels, in_channels, height + kernel - 1, width + kernel - 1)
    padding = (kernel // 2 + (height - 1) // 2, kernel // 2 + (width - 1) // 2)
    return F.conv2d(x, folded, bias, stride=2, padding=padding)


@functools.lru_cache(maxsize=64)
def _up_matrix(taps: tuple[float, ...], n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The separable upsampling of a row of `n` samples as a matrix [2n, n]."""
    f = torch.tensor(taps, dtype=torch.float64, device="cpu").flip(0)
    f = 2 * f / f.sum()
    pad = (len(taps) + 1) // 2
    out = torch.zeros([2 * n, n], dtype=torch.float64, device="cpu")
    for o in range(2 * n):
        for t in range(len(taps)):
            i, odd = divmod(o + t - pad, 2)
            if not odd and 0 <= i < n:
                out[o, i] += f[t]
    return out.to(device=device, dtype=dtype)


@functools.lru_cache(maxsize=64)
def _down_matrix(taps: tuple[float, ...], n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The separable downsampling of a row of `n` samples as a matrix [n/2, n]."""
    f = torch.tensor(taps, dtype=torch.float64, device="cpu").flip(0)
    f = f / f.sum()
    pad = (len(taps) - 1) // 2
    out = torch.zeros([n // 2, n], dtype=torch.float64, device="cpu")
    for o in range(n // 2):
        for t in range(len(taps)):
            if 0 <= 2 * o + t - pad < n:
                out[o, 2 * o + t - pad] += f[t]
    return out.to(device=device, dtype=dtype)


# Above this size a dense banded matrix costs more than a strided depthwise convolution.
_MATRIX_SIZE = 64


def _as_matrices(x: Tensor, taps: Taps) -> bool:
    return isinstance(taps[0], float) and max(x.shape[2:]) <= _MATRIX_SIZE and x.dtype != torch.float16


def upsample2d(x: Tensor, taps: Taps) -> Tensor:
    """Upsample `x` [N, C, H, W] by 2 with the filter; returns [N, C, 2H, 2W]."""
    n, channels, height, width = x.shape
    if _as_matrices(x, taps):
        rows = _up_matrix(taps, height, x.dtype, x.device)
        columns = _up_matrix(taps, width, x.dtype, x.device)
        return rows @ (x @ columns.t())
    one = torch.ones([1, 1, 1, 1], dtype=x.dtype, device=x.device)
    return conv2d_up(x.reshape(n * channels, 1, height, width), one, taps).reshape(n, channels, 2 * height, 2 * width)


def downsample2d(x: Tensor, taps: Taps) -> Tensor:
    """Filter `x` [N, C, H, W] and keep every second sample; returns [N, C, H/2, W/2]."""
    n, channels, height, width = x.shape
    if _as_matrices(x, taps):
        rows = _down_matrix(taps, height, x.dtype, x.device)
        columns = _down_matrix(taps, width, x.dtype, x.device)
        return rows @ (x @ columns.t())
    one = torch.ones([1, 1, 1, 1], dtype=x.dtype, device=x.device)
    y = conv2d_down(x.reshape(n * channels, 1, height, width), one, None, taps)
    return y.reshape(n, channels, height // 2, width // 2)
