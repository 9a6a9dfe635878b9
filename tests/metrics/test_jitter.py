"""Temporal jitter on planted sequences whose value is known."""

from __future__ import annotations

import math

import pytest
import torch

from linkgan_plugin.metrics.jitter import Jitter

MASK = torch.zeros(32, 32)
MASK[8:20, 4:30] = 1


def moving(frames: int = 12) -> torch.Tensor:
    """A clip in which everything moves, [T, 3, 32, 32]."""
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    return torch.stack([image.roll(frame, dims=2) for frame in range(frames)])


def jitter(source: torch.Tensor, edited: torch.Tensor, mask: torch.Tensor = MASK) -> dict[str, float | None]:
    found = Jitter()
    for before, after in zip(source.split(1), edited.split(1), strict=True):
        found.add(before, after, mask)
    return found.figures()


def test_the_same_edit_in_every_frame_of_a_moving_clip_is_no_jitter() -> None:
    source = moving()
    assert jitter(source, source + 0.3 * MASK) == {"inside": 0.0, "outside": 0.0}
    assert jitter(source, source) == {"inside": 0.0, "outside": 0.0}


def test_noise_in_every_frame_gives_its_expectation_where_it_is() -> None:
    source, sigma = 0.5 * moving(60), 4.0
    noise = torch.randn(source.shape, generator=torch.Generator().manual_seed(1)) * sigma / 127.5
    found = jitter(source, source + noise * MASK)
    assert found["inside"] == pytest.approx(2 * sigma / math.sqrt(math.pi), rel=0.01)
    assert found["outside"] == 0.0


def test_one_flicker_counts_twice_and_is_divided_by_the_pairs_of_frames() -> None:
    source = torch.zeros(5, 3, 32, 32)
    edited = source.clone()
    edited[2] += 10 / 127.5  # there and back: 10 + 10 over four pairs
    assert jitter(source, edited) == {"inside": 5.0, "outside": 5.0}


def test_a_frozen_video_has_the_motion_of_its_source() -> None:
    source = moving(2)
    still = source[:1].expand(2, -1, -1, -1)
    expected = 127.5 * (source[1] - source[0]).abs().mean(dim=0)
    found = jitter(source, still)
    assert found["inside"] == pytest.approx(float(expected[MASK == 1].mean()), abs=1e-3)
    assert found["outside"] == pytest.approx(float(expected[MASK == 0].mean()), abs=1e-3)


def test_a_region_that_moves_counts_in_both_frames_of_a_pair() -> None:
    source = torch.zeros(2, 1, 1, 4)
    edited = torch.tensor([[[[1.0, 1, 0, 0]]], [[[0, 1, 1, 0]]]]) * 20 / 127.5
    found = Jitter()
    for frame in range(2):
        found.add(source[[frame]], edited[[frame]], (edited[frame, 0] > 0).float())
    assert found.figures() == {"inside": pytest.approx(40 / 3, abs=1e-3), "outside": 0.0}


def test_what_cannot_be_measured_is_none() -> None:
    assert jitter(moving(1), moving(1)) == {"inside": None, "outside": None}
    assert jitter(moving(3), moving(3), torch.ones(32, 32))["outside"] is None
