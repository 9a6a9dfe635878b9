"""Resampling by 2 with a FIR filter, with or without a convolution.

Upsampling inserts a zero after every sample and filters with gain 4; downsampling filters and keeps every second
sample; outside the image is zero. A filter is given as `Taps`: numbers such as (1, 3, 3, 1), applied along
both axes, or rows of numbers. It is scaled to sum 1.

On the CPU, channels_last memory is fastest; depthwise convolutions cost very little there.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.errors import OptionError

Taps = tuple[float, ...] | tuple[tuple[float, ...], ...]


def parse_taps(filter_: Any) -> Taps:
    """Return a filter given as nested sequence, array or tensor (or None: no filter) as hashable `Taps`.

    Raises:
        OptionError: a filter that is empty or has more than two dimensions.
    """
    values = np.atleast_1d(np.asarray(1.0 if filter_ is None else filter_, dtype=np.float64))
    if values.ndim > 2 or values.size == 0:
        raise OptionError(f"resample_filter of shape {list(values.shape)}: expected 1 or 2 dimensions")
    return tuple(tuple(row) for row in values.tolist()) if values.ndim == 2 else tuple(values.tolist())


def filter_buffer(taps: Taps) -> Tensor:
    """Return the filter as public snapshots store it, with sum 1: [taps, taps], or [taps] from 8 separable taps on."""
    f = torch.tensor(taps, dtype=torch.float32, device="cpu")
    if f.ndim == 1 and f.numel() < 8:
        f = torch.outer(f, f)
    return torch.tensor((f / f.sum()).tolist(), dtype=torch.float32)  # on the device that is the default


@functools.lru_cache(maxsize=256)
def _kernel(taps: Taps, gain: float, flip: bool, channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The filter times `gain` as the weight [channels, 1, h, w] of a depthwise convolution."""
    # A tensor created in inference mode could not be used in training later.
    with torch.inference_mode(False):
        f = torch.tensor(taps, dtype=torch.float64, device="cpu")
        if f.ndim == 1:
            f = torch.outer(f, f)
        f = f * (gain / f.sum())
        f = f.flip([0, 1]) if flip else f
        return f.to(device=device, dtype=dtype).expand(channels, 1, *f.shape).contiguous()


class _Fir(torch.autograd.Function):
    """Depthwise correlation of x [N, C, H, W] by a constant kernel, with a stride.

    torch's second derivative of a convolution is slow and treats the kernel as variable. With a constant kernel the
    operation is linear, so its derivatives of every order are itself and its adjoint.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, stride: int, padding: tuple[int, int]) -> Tensor:
        ctx.kernel, ctx.stride, ctx.padding, ctx.size = kernel, stride, padding, x.shape[2:]
        return F.conv2d(x, kernel, stride=stride, padding=padding, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return _FirAdjoint.apply(grads[0], ctx.kernel, ctx.stride, ctx.padding, ctx.size), None, None, None


class _FirAdjoint(torch.autograd.Function):
    """The adjoint of `_Fir`: insert zeros and convolve, giving images of `size`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel: Tensor, stride: int, padding: tuple[int, int], size: tuple[int, int]
    ) -> Tensor:
        ctx.kernel, ctx.stride, ctx.padding = kernel, stride, padding
        if stride == 1:
            # The same sum as a plain correlation, which the libraries compute faster.
            reach = [k - 1 - p for k, p in zip(kernel.shape[2:], padding, strict=True)]
            if min(reach) >= 0:
                return F.conv2d(x, kernel.flip([2, 3]), padding=reach, groups=x.shape[1])
        # Images of several sizes give the same number of samples at this stride; this selects the required size.
        extra = [
            s - ((n - 1) * stride - 2 * p + k)
            for s, n, p, k in zip(size, x.shape[2:], padding, kernel.shape[2:], strict=True)
        ]
        return F.conv_transpose2d(x, kernel, stride=stride, padding=padding, output_padding=extra, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return _Fir.apply(grads[0], ctx.kernel, ctx.stride, ctx.padding), None, None, None, None


def _lengths(taps: Taps) -> tuple[int, int]:
    """Height and width of the filter."""
    return len(taps), len(taps[0]) if isinstance(taps[0], tuple) else len(taps)


def _fir(x: Tensor, taps: Taps, pads: list[tuple[int, int]], *, stride: int = 1, gain: float = 1.0) -> Tensor:
    """Convolve x with the filter after padding (or cropping) rows and columns by `pads`; keep every `stride`-th."""
    rows, columns = pads
    padding = (rows[0], columns[0])
    if not (rows[0] == rows[1] >= 0 and columns[0] == columns[1] >= 0):
        x, padding = F.pad(x, [*columns, *rows]), (0, 0)
    return _Fir.apply(x, _kernel(taps, gain, True, x.shape[1], x.dtype, x.device), stride, padding)


def downsample2d(x: Tensor, taps: Taps) -> Tensor:
    """x [N, C, H, W] -> [N, C, H/2, W/2]."""
    # y[m] = sum_i f[i] x[2m + n // 2 - i] along both axes
    return _fir(x, taps, [((n - 1) // 2, (n - 2) // 2) for n in _lengths(taps)], stride=2)


def upsample2d(x: Tensor, taps: Taps) -> Tensor:
    """x [N, C, H, W] -> [N, C, 2H, 2W]."""
    kernel = _kernel(taps, 4.0, False, x.shape[1], x.dtype, x.device)
    # y[m] = 2 sum_i f[m + n // 2 - 1 - 2i] x[i] along each axis: the adjoint of a filter with stride 2. The gain makes
    # up for the inserted zeros. The full convolution is longer than twice the image by n - 2 samples.
    rows, columns = _lengths(taps)
    top, left = rows // 2 - 1, columns // 2 - 1
    bottom, right = rows - 2 - top, columns - 2 - left
    height, width = 2 * x.shape[2], 2 * x.shape[3]
    if top == bottom >= 0 and left == right >= 0:
        return _FirAdjoint.apply(x, kernel, 2, (top, left), (height, width))
    full = (height + top + bottom, width + left + right)
    return F.pad(_FirAdjoint.apply(x, kernel, 2, (0, 0), full), [-left, -right, -top, -bottom])


def conv2d_down(x: Tensor, weight: Tensor, bias: Tensor | None, taps: Taps) -> Tensor:
    """Filter x [N, I, H, W], correlate with weight [O, I, k, k], keep every second sample: [N, O, H/2, W/2]."""
    half = weight.shape[2] // 2
    # y = (w . (f * x))[::2]: only the samples that are kept are computed.
    if half == 0:  # a 1x1 kernel commutes with the filter
        return F.conv2d(downsample2d(x, taps), weight, bias)
    pads = [(half + (n - 1) // 2, half + (n - 2) // 2) for n in _lengths(taps)]
    return F.conv2d(_fir(x, taps, pads), weight, bias, stride=2)


def conv2d_up(x: Tensor, weight: Tensor, taps: Taps) -> Tensor:
    """Upsample x [N, I, H, W] and convolve with weight [O, I, k, k]: [N, O, 2H, 2W].

    The weight is applied as a convolution (rotated by 180 degrees), as in the public snapshots.
    """
    kernel = weight.shape[2]
    if kernel == 1:
        return upsample2d(F.conv2d(x, weight), taps)
    # f * (w * up(x)), the weight first: the transposed convolution at stride 2 skips the inserted zeros.
    y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # [N, O, 2H - 2 + k, 2W - 2 + k]
    before, after = kernel // 2 - kernel + 1, kernel // 2 - kernel + 2
    return _fir(y, taps, [(before + (n + 1) // 2, after + (n - 2) // 2) for n in _lengths(taps)], gain=4.0)
