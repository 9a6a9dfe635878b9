"""The Fourier input equals its definition, and moves as its transform says."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from training_loops.stylegan3.networks import SynthesisInput


def _input(size: int | tuple[int, int] = (7, 5), rate: float = 8, bandwidth: float = 2) -> SynthesisInput:
    torch.manual_seed(0)
    net = SynthesisInput(w_dim=4, channels=12, size=size, sampling_rate=rate, bandwidth=bandwidth).double()
    return net.requires_grad_(False)


def _definition(net: SynthesisInput, w: Tensor) -> Tensor:
    """Every sample's position, moved by `transform`, shifted back and turned back, one sine for each wave."""
    width, height = net.size
    out = []
    for motion in net.affine(w):
        cos, sin, x, y = (motion / motion[:2].norm()).tolist()
        rows = []
        for j in range(height):
            row = []
            for i in range(width):
                at = torch.tensor([i + 0.5 - width / 2, j + 0.5 - height / 2], dtype=w.dtype) / net.sampling_rate
                at = net.transform[:2, :2] @ at + net.transform[:2, 2] - torch.tensor([x, y], dtype=w.dtype)
                at = torch.tensor([[cos, -sin], [sin, cos]], dtype=w.dtype) @ at
                row.append((2 * math.pi * (net.freqs @ at + net.phases)).sin())
            rows.append(torch.stack(row))
        out.append(torch.stack(rows) @ net.weight.t() / math.sqrt(net.channels))
    return torch.stack(out).permute(0, 3, 1, 2)


def test_it_equals_its_definition() -> None:
    net = _input()
    net.affine.weight.normal_()
    angle = 0.3
    turn = [[math.cos(angle), -math.sin(angle), 0.2], [math.sin(angle), math.cos(angle), -0.4], [0, 0, 1]]
    net.transform.copy_(torch.tensor(turn))
    w = torch.randn(3, 4, dtype=torch.float64)
    assert net(w).shape == (3, 12, 5, 7), "sizes are (width, height)"
    torch.testing.assert_close(net(w), _definition(net, w), rtol=1e-10, atol=1e-10)


def test_without_training_w_has_no_effect_and_frequencies_fill_the_band() -> None:
    torch.manual_seed(0)
    net = SynthesisInput(4, 4000, 2, 8, 2).requires_grad_(False)
    radii = net.freqs.norm(dim=1)
    assert radii.max() <= 2
    assert (radii < 1).float().mean().item() == pytest.approx(0.25, abs=0.03), "uniform in the disc"
    assert net.freqs.mean(dim=0).abs().max() < 0.1
    assert net.phases.abs().max() <= 0.5
    first, second = _input()(torch.randn(2, 4, dtype=torch.float64))
    torch.testing.assert_close(first, second, rtol=1e-12, atol=1e-12)


def test_a_shift_by_whole_samples_moves_the_samples() -> None:
    net, w = _input(8), torch.zeros(1, 4, dtype=torch.float64)
    still = net(w)
    net.transform[0, 2], net.transform[1, 2] = 2 / 8, 1 / 8
    torch.testing.assert_close(net(w)[:, :, :-1, :-2], still[:, :, 1:, 2:])


def test_waves_that_a_magnification_pushes_over_the_band_fade() -> None:
    net, w = _input(), torch.zeros(1, 4, dtype=torch.float64)
    net.transform[0, 0] = net.transform[1, 1] = 1e4  # every wave far above half the sampling rate
    assert torch.equal(net(w), torch.zeros_like(net(w)))
    net.freqs.copy_(torch.tensor([3.0, 0.0]))  # halfway from the band of 2 to half the rate of 8
    net.transform.copy_(torch.eye(3))
    torch.testing.assert_close(net(w), _definition(net, w) / 2)
