"""The filtered leaky ReLU equals its plain definition in float64, and so do its derivatives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from training_loops.errors import OptionError
from training_loops.stylegan3 import filtered_lrelu as module
from training_loops.stylegan3.filtered_lrelu import Bend, Padding, filtered_lrelu

RATES = [(1, 1), (2, 1), (2, 2), (3, 3), (4, 1), (4, 2), (4, 4), (6, 3)]
SHARP = Bend(0.2, 2**0.5, 0.8)


def _definition(
    x: Tensor, up_filter: Tensor, down_filter: Tensor, up: int, down: int, padding: tuple[Padding, Padding], bend: Bend
) -> Tensor:
    """Zeros inserted, padded or cropped, convolved, bent at the full rate, convolved, samples dropped."""
    rows, columns = padding
    y = x.new_zeros([*x.shape[:2], x.shape[2] * up, x.shape[3] * up])
    y[:, :, ::up, ::up] = x
    y = _convolved(F.pad(y, [*columns, *rows]), torch.outer(up_filter, up_filter) * up**2)
    y = torch.where(y < 0, y * bend.slope, y) * bend.gain
    if bend.clamp is not None:
        y = y.clamp(-bend.clamp, bend.clamp)
    y = _convolved(y, down_filter if down_filter.ndim == 2 else torch.outer(down_filter, down_filter))
    return y[:, :, ::down, ::down]


def _convolved(x: Tensor, taps: Tensor) -> Tensor:
    kernel = taps.flip([0, 1]).expand(x.shape[1], 1, *taps.shape)
    return F.conv2d(x, kernel, groups=x.shape[1])


def _case(size: tuple[int, int], up_taps: int, down_shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, ...]:
    """Numbers of every sign: a tensor [2, 3, H, W] and filters that no turn or mirror leaves as they are."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ([2, 3, *size], [up_taps], down_shape)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


pads = st.tuples(st.integers(-4, 9), st.integers(-4, 9))


@settings(max_examples=100, deadline=None)
@given(
    rates=st.sampled_from(RATES),
    up_taps=st.integers(1, 13),
    down_taps=st.integers(1, 12),
    radial=st.booleans(),
    padding=st.tuples(pads, pads),
    size=st.tuples(st.integers(3, 7), st.integers(3, 7)),
    bend=st.sampled_from([SHARP, Bend(0.2, 2**0.5, None), Bend(1, 1, 0.5), Bend(0.5, 3, 1.0)]),
    channels_last=st.booleans(),
)
def test_it_equals_its_definition(
    rates: tuple[int, int],
    up_taps: int,
    down_taps: int,
    radial: bool,
    padding: tuple[Padding, Padding],
    size: tuple[int, int],
    bend: Bend,
    channels_last: bool,
) -> None:
    up, down = rates
    assume(all(n + min(pad) > 0 for n, pad in zip(size, padding, strict=True)))  # PyTorch crops before it pads
    assume(all(up * n + sum(pad) - up_taps + 1 >= down_taps for n, pad in zip(size, padding, strict=True)))
    x, up_filter, down_filter = _case(size, up_taps, (down_taps,) * (1 + radial), seed=up_taps)
    expected = _definition(x, up_filter, down_filter, up, down, padding, bend)
    before = x.clone()
    laid_out = x.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    given_y = filtered_lrelu(laid_out, up_filter, down_filter, up, down, padding, bend)
    torch.testing.assert_close(given_y, expected, rtol=1e-11, atol=1e-11)
    assert torch.equal(laid_out, before), "bending in place must not reach the input"


# As the networks have them: the usual, more samples out than in, a slower output, an uneven pair, and no filter at all.
DIFFERENTIATED: list[tuple[int, int, int, tuple[int, ...], tuple[Padding, Padding]]] = [
    (2, 2, 6, (6,), ((5, 5), (5, 5))),
    (2, 2, 4, (4, 4), ((3, 2), (4, 3))),
    (4, 2, 8, (6,), ((6, 5), (7, 7))),
    (4, 2, 5, (3, 3), ((-1, 2), (3, -2))),
    (1, 1, 1, (1,), ((0, 0), (0, 0))),
]


@pytest.mark.parametrize(("up", "down", "up_taps", "down_shape", "padding"), DIFFERENTIATED)
def test_first_and_second_derivatives_equal_those_of_the_definition(
    up: int, down: int, up_taps: int, down_shape: tuple[int, ...], padding: tuple[Padding, Padding]
) -> None:
    x, up_filter, down_filter = _case((4, 5), up_taps, down_shape)
    found = []
    for function in (filtered_lrelu, _definition):
        leaf = x.clone().requires_grad_()
        # Squares on both sides, so that the second derivative passes through the operation and through its adjoint.
        y = function(leaf.square() - 0.5, up_filter, down_filter, up, down, padding, SHARP)
        (first,) = torch.autograd.grad(y.square().sum(), leaf, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), leaf)
        found.append((y, first, second))
    for ours, expected in zip(*found, strict=True):
        assert expected.abs().max() > 0.1
        torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("up", "down", "up_taps", "down_shape", "padding"), DIFFERENTIATED)
def test_derivatives_are_those_of_small_steps(
    up: int, down: int, up_taps: int, down_shape: tuple[int, ...], padding: tuple[Padding, Padding]
) -> None:
    x, up_filter, down_filter = _case((3, 4), up_taps, down_shape)

    def function(x: Tensor) -> Tensor:
        return filtered_lrelu(x.square() - 0.5, up_filter, down_filter, up, down, padding, SHARP)

    leaf = x[:1, :2].contiguous().requires_grad_()
    assert torch.autograd.gradcheck(function, leaf, eps=1e-7)
    assert torch.autograd.gradgradcheck(function, leaf, eps=1e-7)


def test_a_batch_done_in_pieces_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, up_filter, down_filter = _case((6, 5), 12, (12,))
    x = x.repeat(3, 1, 1, 1) * torch.arange(1, 7)[:, None, None, None]
    arguments: Any = (up_filter, down_filter, 2, 2, ((9, 9), (8, 9)), SHARP)
    found = []
    for chunk in (1, 4 * x[:1].numel(), 1 << 22):
        monkeypatch.setattr(module, "_CHUNK", chunk)
        leaf = x.clone().requires_grad_()
        y = filtered_lrelu(leaf, *arguments)
        found.append((y, *torch.autograd.grad(y.square().sum(), leaf)))
    for y, grad in found[:2]:
        torch.testing.assert_close(y, found[2][0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(grad, found[2][1], rtol=1e-12, atol=1e-12)


def test_an_empty_batch_has_an_empty_output() -> None:
    x, up_filter, down_filter = _case((6, 5), 12, (12,))
    y = filtered_lrelu(x[:0], up_filter, down_filter, 2, 2, ((11, 11), (11, 11)), SHARP)
    assert y.shape == (0, 3, 6, 5)


def test_float32_differs_from_float64_by_rounding_only() -> None:
    x, up_filter, down_filter = _case((12, 12), 12, (12, 12))
    arguments: Any = (2, 2, ((11, 11), (11, 11)), Bend(0.2, 2**0.5, None))
    exact = filtered_lrelu(x, up_filter, down_filter, *arguments)
    rounded = filtered_lrelu(x.float(), up_filter, down_filter, *arguments)
    assert rounded.dtype == torch.float32
    assert (rounded - exact).abs().max() < 3e-6 * exact.abs().max()


def test_what_cannot_be_is_refused() -> None:
    x, up_filter, down_filter = _case((3, 3), 4, (4,))
    with pytest.raises(OptionError, match="up=2, down=4: expected an up that is a multiple of down"):
        filtered_lrelu(x, up_filter, down_filter, 2, 4, ((0, 0), (0, 0)), SHARP)
    with pytest.raises(ValueError, match=r"x: got \[2, 3, 3, 3\], which leaves \[0, 1\] samples"):
        filtered_lrelu(x, up_filter, down_filter, 2, 2, ((-1, 0), (1, 1)), SHARP)
