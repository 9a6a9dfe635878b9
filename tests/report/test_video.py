"""Frames of edits: where they begin, stop and end."""

from __future__ import annotations

import numpy as np
import pytest

from linkgan_plugin.editing.candidates import RegionGroup, resamples
from linkgan_plugin.editing.editor import Editor, Resample
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.images import pixels
from linkgan_plugin.report.video import HOLD, NARROWEST, STEPS, count_frames, trial_frames


@pytest.fixture(scope="module")
def editors():
    generator = example_generator()
    return [Editor.of_seed(generator, seed) for seed in (0, 1)]


def test_regions_glide_to_every_trial_and_back_one_after_another(editors):
    groups = [RegionGroup.read(name, editors[0].generator.spec) for name in ("left", "left+right")]
    candidates = resamples([5, 6], strength=1.5)
    frames = list(trial_frames(editors, groups, candidates, plain=True))
    assert len(frames) == count_frames(groups, candidates)
    stops = [
        step
        for group in groups
        for step in [*(Resample(group.regions, seed, 1.5) for seed in (5, 6)), Resample(group.regions, 0, 0)]
    ]
    for number, step in enumerate(stops):
        expected = np.concatenate([pixels.to_pixels(editor.preview(step))[0] for editor in editors], axis=1)
        hold = frames[(number + 1) * (STEPS + HOLD) - HOLD : (number + 1) * (STEPS + HOLD)]
        assert all(np.abs(frame.astype(int) - expected).max() <= 1 for frame in hold)
    assert (frames[0] == frames[-1]).all()


def test_only_the_named_region_moves_and_it_moves_gently(editors):
    group = RegionGroup.read("left", editors[0].generator.spec)
    frames = np.stack(list(trial_frames(editors[:1], [group], resamples([5]), plain=True))).astype(int)
    steps = np.abs(np.diff(frames, axis=0))
    assert steps[..., 6:, :].max() == 0
    ramp = steps[: STEPS - 1, :, :6].mean(axis=(1, 2, 3))
    assert ramp[0] < ramp[STEPS // 2] > ramp[-1]


def test_headings_have_room_and_sides_are_even(editors):
    frame = next(
        trial_frames(editors[:1], [RegionGroup.read("left", editors[0].generator.spec)], resamples([5]), cell=16)
    )
    assert frame.shape[1] == NARROWEST
    assert frame.shape[0] % 2 == 0
