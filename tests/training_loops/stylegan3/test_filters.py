"""Low-pass filters pass what they should, and the radial ones the same in all directions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training_loops.stylegan3.filters import lowpass_filter


def _amplitude(taps: torch.Tensor, rate: float, x: float, y: float) -> float:
    """The filter's response to a wave of x cycles per unit across and y down."""
    f = taps.double().numpy()
    f = np.outer(f, f) if f.ndim == 1 else f
    at = (np.arange(len(f)) - (len(f) - 1) / 2) / rate
    wave = np.exp(2j * np.pi * (y * at[:, None] + x * at[None, :]))
    return float(np.abs((f * wave).sum()))


@pytest.mark.parametrize("length", [48, 49])
@pytest.mark.parametrize("radial", [False, True])
def test_low_frequencies_pass_and_high_ones_do_not(length: int, radial: bool) -> None:
    taps = lowpass_filter(length, 8, 4, 64, radial)
    assert taps is not None
    assert taps.dtype == torch.float32
    assert taps.shape == ((length, length) if radial else (length,))
    assert _amplitude(taps, 64, 0, 0) == pytest.approx(1, abs=1e-6)
    assert _amplitude(taps, 64, 4, 0) == pytest.approx(1, abs=0.03)
    assert _amplitude(taps, 64, 8, 0) == pytest.approx(0.5, abs=0.03)
    assert _amplitude(taps, 64, 13, 0) < 0.01
    assert torch.equal(taps, taps.flip(list(range(taps.ndim)))), "it does not shift"


def test_a_radial_filter_knows_no_direction() -> None:
    radial, square = lowpass_filter(48, 8, 4, 64, True), lowpass_filter(48, 8, 4, 64)
    assert radial is not None
    assert square is not None
    turned = 8 * math.sqrt(0.5)
    assert _amplitude(radial, 64, turned, turned) == pytest.approx(_amplitude(radial, 64, 8, 0), abs=0.01)
    assert _amplitude(square, 64, turned, turned) > _amplitude(square, 64, 8, 0) + 0.3


def test_one_tap_is_no_filter() -> None:
    assert lowpass_filter(1, 8, 4, 64) is None
    assert lowpass_filter(1, 8, 4, 64, True) is None
