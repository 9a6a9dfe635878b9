"""Low-pass filters of StyleGAN3 (Appendix C): separable sinc or radially symmetric jinc, with Kaiser windows."""

from __future__ import annotations

import numpy as np
import scipy.signal
import scipy.special
import torch
from torch import Tensor


def lowpass_filter(taps: int, cutoff: float, width: float, rate: float, radial: bool = False) -> Tensor | None:
    """Design a filter that passes frequencies up to about `cutoff`; all frequencies are in cycles per unit of length.

    Args:
        taps: length; 1 means no filter.
        cutoff: where the amplitude is one half.
        width: of the transition band.
        rate: samples per unit of length.
        radial: jinc instead of sinc.
    Returns:
        float32 [taps], to be applied along both axes, or [taps, taps] if radial, of sum 1; None for one tap.
    """
    if taps == 1:
        return None
    if radial:
        return torch.from_numpy(_windowed_jinc(taps, cutoff, width, rate).astype(np.float32))
    sinc = scipy.signal.firwin(taps, cutoff, width=width, fs=rate)
    return torch.from_numpy(np.asarray(sinc, dtype=np.float32))


def _windowed_jinc(taps: int, cutoff: float, width: float, rate: float) -> np.ndarray:
    """The impulse response of an ideal circular low-pass, ``2 fc^2 jinc(2 fc |x|)``, under a Kaiser window per axis."""
    centred = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.hypot(centred[:, None], centred[None, :])
    # J1(a r) / r tends to a / 2 at r = 0, which is a sample where the length is odd.
    safe = np.where(radius == 0, 1.0, radius)
    angular = 2 * np.pi * cutoff
    response = np.where(radius == 0, angular / 2, scipy.special.j1(angular * safe) / safe)
    attenuation = scipy.signal.kaiser_atten(taps, 2 * width / rate)
    window = np.kaiser(taps, scipy.signal.kaiser_beta(attenuation))
    response = response * window[:, None] * window[None, :]
    return response / response.sum()
