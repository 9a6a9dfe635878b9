"""Candidates and groups: which steps they are, and what they are called."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.editing.candidates import RegionGroup, along_directions, along_set, in_parts, resamples, transplants
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.editing.steps import DirectionEdit, Resample, Transplant
from linkgan_plugin.errors import LinkGANError

SPEC = example_generator().spec


def test_groups_are_read_as_they_are_written():
    assert RegionGroup.read("left", SPEC) == ("left", ("left",))
    assert RegionGroup.read("left + rest", SPEC) == ("left + rest", ("left", "rest"))
    assert RegionGroup.read("all", SPEC) == ("everything", ("left", "right", "rest"))
    with pytest.raises(LinkGANError, match="did you mean 'right'"):
        RegionGroup.read("left+rihgt", SPEC)


def test_every_trial_is_the_step_that_its_name_says():
    regions = ("left", "rest")
    assert [(t.name, t.step(regions)) for t in resamples([4, 5], strength=0.5, psi=0.7)] == [
        ("seed 4", Resample(regions, 4, 0.5, 0.7)),
        ("seed 5", Resample(regions, 5, 0.5, 0.7)),
    ]
    latents = torch.ones(1, 2, 12)
    assert [(t.name, t.step(regions)) for t in transplants([("seed 1", 1), ("me", latents)], strength=2)] == [
        ("seed 1", Transplant(regions, 1, 2)),
        ("me", Transplant(regions, latents, 2)),
    ]
    assert [(t.name, t.step(("left",))) for t in along_directions(2, reach=1.5)] == [
        ("0: -1.5", DirectionEdit("left", 0, -1.5)),
        ("0: +1.5", DirectionEdit("left", 0, 1.5)),
        ("1: -1.5", DirectionEdit("left", 1, -1.5)),
        ("1: +1.5", DirectionEdit("left", 1, 1.5)),
    ]
    assert [(t.name, t.step(regions)) for t in in_parts(resamples([4, 5], strength=2), [0.25, 1])] == [
        ("seed 4 x 0.25", Resample(regions, 4, 0.5)),
        ("seed 4 x 1", Resample(regions, 4, 2)),
        ("seed 5 x 0.25", Resample(regions, 5, 0.5)),
        ("seed 5 x 1", Resample(regions, 5, 2)),
    ]


def test_directions_are_of_one_region():
    with pytest.raises(LinkGANError, match="left, right; name one"):
        along_directions(1)[0].step(("left", "right"))


def test_a_set_gives_one_candidate_for_each_amount():
    made = along_set("smile", 2, [-1.5, 0, 2])
    assert [(t.name, t.step(("left", "rest"))) for t in made] == [
        ("-1.5", DirectionEdit("left+rest", 2, -1.5, "smile")),
        ("0", DirectionEdit("left+rest", 2, 0, "smile")),
        ("+2", DirectionEdit("left+rest", 2, 2, "smile")),
    ]
