"""SSIM against a brute-force reference, window by window in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics.ssim import ssim


def reference(x: np.ndarray, y: np.ndarray) -> float:
    """Wang et al. 2004, Eq. 13 to 17, of one channel [H, W] of float64 in [-1, 1]."""
    weights = np.array(
        [[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)]
    )
    weights /= weights.sum()
    values = []
    for row in range(x.shape[0] - 10):
        for column in range(x.shape[1] - 10):
            a, b = (part[row : row + 11, column : column + 11] for part in (x, y))
            mu_a, mu_b = (weights * a).sum(), (weights * b).sum()
            var_a, var_b = (weights * (a - mu_a) ** 2).sum(), (weights * (b - mu_b) ** 2).sum()
            both = (weights * (a - mu_a) * (b - mu_b)).sum()
            c1, c2 = 0.0004, 0.0036
            values.append((2 * mu_a * mu_b + c1) * (2 * both + c2) / ((mu_a**2 + mu_b**2 + c1) * (var_a + var_b + c2)))
    return float(np.mean(values))


@pytest.mark.parametrize("noise", [0.05, 1.0])
def test_ssim_is_the_mean_over_windows_and_channels(noise):
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, [2, 3, 14, 17])
    y = np.clip(x + noise * random.standard_normal(x.shape), -1, 1)
    found = ssim(torch.tensor(x), torch.tensor(y))
    wanted = [np.mean([reference(x[n, c], y[n, c]) for c in range(3)]) for n in range(2)]
    assert found.numpy() == pytest.approx(wanted, abs=1e-12)


def test_equal_images_have_ssim_1_and_an_inverted_one_has_less_than_0():
    image = torch.rand([1, 1, 12, 12], generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert float(ssim(image, image)) == pytest.approx(1, abs=1e-12)
    assert float(ssim(image, -image)) < 0


def test_values_beyond_the_range_are_clipped():
    image = torch.linspace(-2, 2, 144).view(1, 1, 12, 12)
    assert float(ssim(image, image.clamp(-1, 1))) == pytest.approx(1, abs=1e-12)


def test_small_or_unequal_images_are_refused():
    with pytest.raises(LinkGANError, match="images of 12 x 10 pixels; SSIM needs at least 11 x 11"):
        ssim(torch.zeros(1, 1, 10, 12), torch.zeros(1, 1, 10, 12))
    with pytest.raises(LinkGANError, match="expected the same"):
        ssim(torch.zeros(1, 1, 12, 12), torch.zeros(1, 3, 12, 12))
