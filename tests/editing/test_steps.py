"""Steps as data: JSON both ways to the bit, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch

from linkgan_plugin.editing.plain import tensor_from_json, tensor_to_json
from linkgan_plugin.editing.steps import DirectionEdit, Resample, Restore, Transplant, step_from_json
from linkgan_plugin.errors import LinkGANError

STEPS = [
    Resample(("eyes", "mouth"), seed=7),
    Resample("all", seed=2**32 - 1, strength=-0.5, psi=0.7),
    Transplant("eyes", donor=3, strength=2),
    Transplant("eyes", donor=torch.randn(1, 4, 8)),
    DirectionEdit("eyes", direction=2, std=0.1),
    Restore("rest", version=1),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.kind)
def test_a_step_survives_json(step):
    again = step_from_json(json.loads(json.dumps(step.to_json())))
    assert again == step
    assert type(again) is type(step)
    assert again.names == step.names


def test_steps_that_differ_are_unequal():
    assert len({json.dumps(step.to_json()) for step in STEPS}) == len(set(STEPS)) == len(STEPS)


def test_one_region_may_be_named_by_text_and_each_counts_once():
    assert Resample("eyes", 0) == Resample(["eyes", "eyes"], 0)


def test_a_donor_does_not_change_with_the_tensor_it_was_made_of():
    latents = torch.zeros(1, 2, 4)
    step = Transplant("eyes", latents)
    latents += 1
    assert step.donor.sum() == 0


def test_numbers_survive_json_to_the_bit():
    numbers = torch.tensor([[1 / 3, 1e-42, -0.0, 3.4e38]])
    again = tensor_from_json(json.loads(json.dumps(tensor_to_json(numbers))))
    assert again.numpy().tobytes() == numbers.numpy().tobytes()
    assert tensor_from_json(tensor_to_json(torch.zeros(1, 0))).shape == (1, 0)


GOOD = {"kind": "resample", "regions": ["eyes"], "seed": 1}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "JSON object"),
        ({"kind": 3}, "a step: 'kind' must be of type str, not 3"),
        ({"kind": "resampel"}, "did you mean 'resample'"),
        (GOOD | {"sed": 1}, "unknown field 'sed'"),
        ({"kind": "resample", "regions": ["eyes"]}, "a resample step has no 'seed'"),
        (GOOD | {"seed": -1}, "whole number"),
        (GOOD | {"seed": True}, "whole number"),
        (GOOD | {"seed": 2**32}, "seed is 4294967296, expected a whole number from 0 to 4294967295"),
        (GOOD | {"strength": float("nan")}, "strength must be a number"),
        (GOOD | {"strength": 10**400}, "strength must be a number"),
        (GOOD | {"psi": "0.7"}, "psi must be a number"),
        (GOOD | {"regions": []}, "at least one region"),
        (GOOD | {"regions": [1]}, "named by text"),
        (GOOD | {"regions": {"eyes": 1}}, "at least one region"),
        ({"kind": "direction", "region": "eyes", "direction": -1, "std": 1}, "direction must be"),
        ({"kind": "restore", "region": "eyes", "version": 0.5}, "version must be"),
        ({"kind": "transplant", "regions": ["eyes"], "donor": {"shape": [1]}}, "a tensor has no 'float32'"),
        ({"kind": "transplant", "regions": ["eyes"], "donor": tensor_to_json(torch.zeros(2, 2, 2))}, r"\[2, 2, 2\]"),
        ({"kind": "transplant", "regions": ["eyes"], "donor": "3"}, "whole number"),
    ],
)
def test_what_is_no_step_is_refused_by_name(data, message):
    with pytest.raises(LinkGANError, match=message):
        step_from_json(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [1, 3]}, "not the float32 numbers of shape"),
        ({"shape": [0, 10**30]}, "not the float32 numbers of shape"),
        ({"shape": [-1, -2]}, "whole numbers"),
        ({"shape": "12"}, "a tensor: 'shape' must be of type list"),
        ({"float32": "!"}, "base64"),
        ({"float32": 7}, "a tensor: 'float32' must be of type str"),
        (tensor_to_json(torch.tensor([[1.0, float("inf")]])), "not finite"),
    ],
)
def test_numbers_that_are_damaged_are_refused(change, message):
    with pytest.raises(LinkGANError, match=message):
        tensor_from_json(tensor_to_json(torch.ones(1, 2)) | change)
