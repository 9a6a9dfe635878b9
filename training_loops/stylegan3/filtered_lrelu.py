"""The filtered leaky ReLU of StyleGAN3 (Section 3.2): upsample, leaky ReLU, downsample, which avoids aliasing.

``y = down(d * bend(f * up(x)))`` with the filters f and d. The upsampled signal is never stored as an image. A signal
upsampled by `up`, to be downsampled by `down`, consists of `down` interleaved phases along each axis. Each phase is
upsampled by its own short filter, the leaky ReLU is pointwise, and downsampling is the sum of the phases, each
filtered by its own short filter. With the usual ``up = down = 2`` these are four images of the input's size and
filters of half the length, at stride 1: no zeros are inserted, and no computed sample is dropped. On the CPU,
depthwise convolutions at stride 1 in channels_last memory cost little more than a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.errors import OptionError

Padding = tuple[int, int]
_ROWS, _COLUMNS = 2, 3
_CHUNK = 1 << 22  # samples processed at once on the CPU: the system allocates new pages for larger tensors each time


@dataclass(frozen=True)
class Bend:
    """``clamp(gain * leaky_relu(x, slope), -clamp, clamp)``, with a gain above 0; None: no clamp."""

    slope: float
    gain: float
    clamp: float | None


def filtered_lrelu(
    x: Tensor, up_filter: Tensor, down_filter: Tensor, up: int, down: int, padding: tuple[Padding, Padding], bend: Bend
) -> Tensor:
    """Upsample x [N, C, H, W], apply `bend`, downsample: [N, C, H', W'].

    Upsampling inserts ``up - 1`` zeros after every sample, adds (removes, where negative) `padding` of (rows, columns)
    before and after, and applies a valid convolution by ``up^2 up_filter``. Downsampling applies a valid convolution
    and keeps every `down`-th sample from the first.

    Args:
        up_filter: [taps], for both axes.
        down_filter: [taps] for both axes, or [taps, taps].
    Raises:
        OptionError: `up` is not a multiple of `down`.
        ValueError: x is too small to give an output.
    """
    if up % down:
        raise OptionError(f"up={up}, down={down}: expected an up that is a multiple of down")
    # A leaky ReLU commutes with gains above 0, so they are folded into the filters: the square root for each axis.
    up_filter = up_filter * (up * bend.gain**0.5)
    axes = [_Axis(up, down, len(up_filter), len(down_filter), *pads) for pads in padding]
    size = [axis.out_size(n) for axis, n in zip(axes, x.shape[2:], strict=True)]
    if min(size) < 1:
        raise ValueError(f"x: got {list(x.shape)}, which leaves {size} samples; expected more, or more than {padding=}")
    kernels = _Kernels.of(up_filter, down_filter, axes, x)
    if x.device.type != "cpu":
        return _bend_phases(x, kernels, axes, size, bend)
    chunks = x.split(max(1, _CHUNK // max(1, x[:1].numel())))
    parts = [_bend_phases(chunk, kernels, axes, size, bend) for chunk in chunks]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


@dataclass(frozen=True)
class _Axis:
    """The sample indices along one axis.

    With f the upsampling filter, d the downsampling filter and ``shift = up_taps - 1 - before``, phase p of the
    upsampled signal is ``y_p[q] = sum_i f[down q + p + shift - up i] x[i]`` and the output is
    ``sum_p sum_q d[down_taps - 1 + down (m - q) - p] y_p[q]``.
    """

    up: int
    down: int
    up_taps: int
    down_taps: int
    before: int
    after: int

    @property
    def stride(self) -> int:
        """The number of samples in a phase per input sample."""
        return self.up // self.down

    @property
    def reach(self) -> int:
        """The length of a phase's downsampling filter."""
        return -(-self.down_taps // self.down)

    @property
    def lead(self) -> int:
        """The offset of a phase's first sample in its upsampling filter."""
        return (self.down - 1 + self.up_taps - 1 - self.before) // self.down

    def out_size(self, size: int) -> int:
        # Both convolutions are valid: n - (taps - 1) of n samples remain.
        upsampled = self.up * size + self.before + self.after - (self.up_taps - 1)
        return (upsampled - self.down_taps) // self.down + 1

    def up_kernels(self, taps: Tensor) -> Tensor:
        """[up_taps] -> [down, K]: for each phase ``w[k] = f[down (k - lead) + p + shift]``, 0 outside the filter."""
        shift = self.up_taps - 1 - self.before
        length = self.lead + self.before // self.down + 1
        first = self.down * self.lead - shift
        spread = F.pad(taps, [first, self.down * length - first - self.up_taps])
        return spread.view(length, self.down).t()

    def down_kernels(self, taps: Tensor) -> Tensor:
        """[down_taps] -> [down, reach]: for each phase, to correlate with, ``h[t] = d[down_taps - 1 - p - down t]``."""
        spread = F.pad(taps.flip(0), [0, self.down * self.reach - self.down_taps])
        return spread.view(self.reach, self.down).t()


@dataclass(frozen=True)
class _Kernels:
    """Depthwise kernels [C, 1, h, w] of each phase."""

    up_rows: tuple[Tensor, ...]
    up_columns: tuple[Tensor, ...]
    down_rows: tuple[Tensor, ...]  # empty if the filter is not separable
    down_columns: tuple[Tensor, ...]
    down_both: tuple[tuple[Tensor, ...], ...]  # of a row phase and a column phase; empty if the filter is separable

    @classmethod
    def of(cls, up_filter: Tensor, down_filter: Tensor, axes: list[_Axis], x: Tensor) -> _Kernels:
        rows, columns = axes
        f, d = up_filter.to(x.dtype), down_filter.to(x.dtype)
        ups = _tall(rows.up_kernels(f), x), _wide(columns.up_kernels(f), x)
        if d.ndim == 1:
            return cls(*ups, _tall(rows.down_kernels(d), x), _wide(columns.down_kernels(d), x), ())
        return cls(*ups, (), (), _square(d, rows, x))


def _tall(kernels: Tensor, x: Tensor) -> tuple[Tensor, ...]:
    return kernels[:, None, None, :, None].expand(-1, x.shape[1], -1, -1, -1).contiguous().unbind()


def _wide(kernels: Tensor, x: Tensor) -> tuple[Tensor, ...]:
    return kernels[:, None, None, None, :].expand(-1, x.shape[1], -1, -1, -1).contiguous().unbind()


def _square(taps: Tensor, axis: _Axis, x: Tensor) -> tuple[tuple[Tensor, ...], ...]:
    """[taps, taps] -> for each row phase, for each column phase, a correlation kernel."""
    end = axis.down * axis.reach - axis.down_taps
    spread = F.pad(taps.flip([0, 1]), [0, end, 0, end])
    phases = spread.view(axis.reach, axis.down, axis.reach, axis.down).permute(1, 3, 0, 2)
    kernels = phases[:, :, None, None].expand(-1, -1, x.shape[1], -1, -1, -1).contiguous()
    return tuple(row.unbind() for row in kernels)


def _bend_phases(x: Tensor, kernels: _Kernels, axes: list[_Axis], size: list[int], bend: Bend) -> Tensor:
    # y = sum_{p,q} d_pq * bend(f_pq * x) over the row phases p and column phases q
    rows, columns = axes
    y = None
    for row, up_row in enumerate(kernels.up_rows):
        tall = _upsample(x, up_row, rows, size[0], _ROWS)
        narrow = None
        for column, up_column in enumerate(kernels.up_columns):
            phase = _BendInPlace.apply(_upsample(tall, up_column, columns, size[1], _COLUMNS), bend.slope, bend.clamp)
            down = kernels.down_both[row][column] if kernels.down_both else kernels.down_columns[column]
            narrow = _sum(narrow, _Fir.apply(phase, down, (0, 0)))
        assert narrow is not None
        y = _sum(y, _Fir.apply(narrow, kernels.down_rows[row], (0, 0)) if kernels.down_rows else narrow)
    assert y is not None
    return y


def _upsample(x: Tensor, kernel: Tensor, axis: _Axis, out_size: int, dim: int) -> Tensor:
    """Return one phase along one axis, with the length that `out_size` output samples need."""
    # y_p[q] = sum_i w_p[q + lead - stride i] x[i], 0 outside of x
    taps, size, phase_size = kernel.shape[dim], x.shape[dim], out_size - 1 + axis.reach
    if axis.stride > 1:
        before, after = -axis.lead, phase_size + axis.lead - (size - 1) * axis.stride - taps
        fits = before == after and 0 <= -before < taps
        y = F.conv_transpose2d(
            x, kernel, stride=_on(dim, axis.stride, 1), padding=_on(dim, -before, 0) if fits else 0, groups=x.shape[1]
        )
        return y if fits else F.pad(y, _pads(dim, before, after))
    before = taps - 1 - axis.lead
    after = phase_size - 1 + taps - size - before
    if before == after and 0 <= before < taps:
        return _Fir.apply(x, kernel.flip(dim), _on(dim, before, 0))
    return _Fir.apply(F.pad(x, _pads(dim, before, after)), kernel.flip(dim), (0, 0))


def _on(dim: int, value: int, other: int) -> Padding:
    return (value, other) if dim == _ROWS else (other, value)


def _pads(dim: int, before: int, after: int) -> list[int]:
    return [0, 0, before, after] if dim == _ROWS else [before, after]


def _sum(total: Tensor | None, term: Tensor) -> Tensor:
    return term if total is None else total.add_(term)


class _Fir(torch.autograd.Function):
    """Depthwise correlation of x [N, C, H, W] by a constant kernel at stride 1.

    Its adjoint is the same operation with the flipped kernel, which is faster than torch's derivative of a convolution;
    so are its derivatives of every order.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, padding: Padding) -> Tensor:
        ctx.kernel, ctx.padding = kernel, padding
        return F.conv2d(x, kernel, padding=padding, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        # The adjoint of a correlation with padding p is one with the flipped kernel and padding k - 1 - p.
        height, width = ctx.kernel.shape[2:]
        reach = (height - 1 - ctx.padding[0], width - 1 - ctx.padding[1])
        return _Fir.apply(grads[0], ctx.kernel.flip([2, 3]), reach), None, None


class _BendInPlace(torch.autograd.Function):
    """Leaky ReLU and clamp of x in place; saves only its output for the derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float, clamp: float | None) -> Tensor:
        ctx.slope, ctx.clamp = slope, clamp
        ctx.mark_dirty(x)
        F.leaky_relu(x, slope, inplace=True)
        if clamp is not None:
            x.clamp_(-clamp, clamp)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        # The function is piecewise linear: within a piece its derivative does not depend on the value.
        y = ctx.saved_tensors[0].detach()
        grad = torch.ops.aten.leaky_relu_backward(grads[0], y, ctx.slope, True)
        if ctx.clamp is not None:
            grad = torch.ops.aten.hardtanh_backward(grad, y, -ctx.clamp, ctx.clamp)
        return grad, None, None
