"""Resampling equals its plain definition in float64, and so do its derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from training_loops.stylegan2 import resample
from training_loops.stylegan2.resample import Taps

FILTERS: list[Taps] = [
    (1.0,),
    (1.0, 3.0),
    (1.0, 2.0, 4.0),
    (1.0, 3.0, 3.0, 1.0),
    (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0),
    ((1.0, 2.0, 0.0), (0.0, 3.0, 1.0)),
]


def _matrix(taps: Taps) -> np.ndarray:
    f = np.array(taps)
    f = np.outer(f, f) if f.ndim == 1 else f
    return f / f.sum()


def _full_convolution(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    out = np.zeros([image.shape[0] + kernel.shape[0] - 1, image.shape[1] + kernel.shape[1] - 1])
    for y, x in np.ndindex(*kernel.shape):
        out[y : y + image.shape[0], x : x + image.shape[1]] += kernel[y, x] * image
    return out


def _window(full: np.ndarray, first: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """The part of an image that is zero everywhere else, from `first` (which may be negative)."""
    out = np.zeros(shape)
    for y, x in np.ndindex(*shape):
        at = (y + first[0], x + first[1])
        if 0 <= at[0] < full.shape[0] and 0 <= at[1] < full.shape[1]:
            out[y, x] = full[at]
    return out


def _zero_filled(image: np.ndarray) -> np.ndarray:
    out = np.zeros([2 * image.shape[0], 2 * image.shape[1]])
    out[::2, ::2] = image
    return out


def _up(x: np.ndarray, w: np.ndarray, taps: Taps) -> np.ndarray:
    """Zero-fill, convolve with the filter (gain 4) and with w, centred like the public code."""
    f = 4 * _matrix(taps)
    half = w.shape[2] // 2
    first = [(n - 1) - (n + 1) // 2 + half for n in f.shape]
    shape = (2 * x.shape[2], 2 * x.shape[3])
    out = np.zeros([x.shape[0], w.shape[0], *shape])
    for n, o, i in np.ndindex(x.shape[0], w.shape[0], w.shape[1]):
        full = _full_convolution(_full_convolution(_zero_filled(x[n, i]), f), w[o, i])
        out[n, o] += _window(full, (first[0], first[1]), shape)
    return out


def _down(x: np.ndarray, w: np.ndarray, taps: Taps) -> np.ndarray:
    """Convolve with the filter, correlate with w, keep every second sample."""
    f = _matrix(taps)
    half = w.shape[2] // 2
    first = [(n - 1) - (n - 1) // 2 + half for n in f.shape]
    out = np.zeros([x.shape[0], w.shape[0], x.shape[2] // 2, x.shape[3] // 2])
    for n, o, i in np.ndindex(x.shape[0], w.shape[0], w.shape[1]):
        full = _full_convolution(_full_convolution(x[n, i], f), w[o, i, ::-1, ::-1])
        out[n, o] += _window(full, (first[0], first[1]), (x.shape[2], x.shape[3]))[::2, ::2]
    return out


@settings(max_examples=40, deadline=None)
@given(
    taps=st.sampled_from(FILTERS),
    kernel=st.sampled_from([1, 3]),
    height=st.sampled_from([2, 4, 6]),
    width=st.sampled_from([2, 4]),
    channels_last=st.booleans(),
)
def test_convolutions_with_resampling_equal_their_definition(
    taps: Taps, kernel: int, height: int, width: int, channels_last: bool
) -> None:
    rng = np.random.default_rng([kernel, height, width])
    x, w = rng.normal(size=[2, 3, height, width]), rng.normal(size=[2, 3, kernel, kernel])
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    given_x = torch.from_numpy(x).to(memory_format=memory_format)
    up = resample.conv2d_up(given_x, torch.from_numpy(w), taps)
    down = resample.conv2d_down(given_x, torch.from_numpy(w), torch.ones(2, dtype=torch.float64), taps)
    np.testing.assert_allclose(up.numpy(), _up(x, w, taps), atol=1e-12)
    np.testing.assert_allclose(down.numpy(), _down(x, w, taps) + 1, atol=1e-12)


@pytest.mark.parametrize("taps", FILTERS)
def test_images_are_resampled_as_by_an_identity_kernel(taps: Taps) -> None:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=[2, 3, 4, 6]))
    identity = np.eye(3)[:, :, None, None]
    np.testing.assert_allclose(resample.upsample2d(x, taps), _up(x.numpy(), identity, taps), atol=1e-12)
    np.testing.assert_allclose(resample.downsample2d(x, taps), _down(x.numpy(), identity, taps), atol=1e-12)


def test_float32_differs_from_float64_by_rounding_only() -> None:
    torch.manual_seed(0)
    x, w = torch.randn(2, 8, 8, 8, dtype=torch.float64), torch.randn(8, 8, 3, 3, dtype=torch.float64)
    for operation in (
        lambda x, w: resample.conv2d_up(x, w, FILTERS[3]),
        lambda x, w: resample.conv2d_down(x, w, None, FILTERS[3]),
    ):
        exact = operation(x, w)
        assert (operation(x.float(), w.float()) - exact).abs().max() < 3e-6 * exact.abs().max()


@pytest.mark.parametrize("taps", [FILTERS[3], FILTERS[2]])
@pytest.mark.parametrize("operation", ["up", "down", "conv_up", "conv_down"])
def test_first_and_second_derivatives_are_exact(taps: Taps, operation: str) -> None:
    torch.manual_seed(1)
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    w = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    functions = {
        "up": lambda x, w: resample.upsample2d(x, taps) * w.sum(),
        "down": lambda x, w: resample.downsample2d(x, taps) * w.sum(),
        "conv_up": lambda x, w: F.leaky_relu(resample.conv2d_up(x, w, taps), 0.2),
        "conv_down": lambda x, w: F.leaky_relu(resample.conv2d_down(x, w, None, taps), 0.2),
    }
    assert torch.autograd.gradcheck(functions[operation], (x, w))
    assert torch.autograd.gradgradcheck(functions[operation], (x, w))


def test_kernels_made_in_inference_mode_can_be_trained_with() -> None:
    taps = (1.0, 5.0, 5.0, 1.0)
    with torch.inference_mode():
        resample.upsample2d(torch.ones(1, 1, 4, 4), taps)
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    resample.upsample2d(x, taps).sum().backward()
    assert x.grad is not None
    assert x.grad.shape == x.shape


@pytest.mark.parametrize(("value", "message"), [([], r"shape \[0\]"), ([[[1.0]]], r"shape \[1, 1, 1\]")])
def test_filters_of_other_shapes_are_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resample.parse_taps(value)


def test_stored_filters_have_the_public_form() -> None:
    short, long = resample.filter_buffer((1.0, 3.0, 3.0, 1.0)), resample.filter_buffer((1.0,) * 8)
    assert short.shape == (4, 4)
    assert long.shape == (8,)
    torch.testing.assert_close(short.sum(), torch.tensor(1.0))
    torch.testing.assert_close(short[1], torch.tensor([3.0, 9.0, 9.0, 3.0]) / 64)
