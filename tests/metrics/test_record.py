"""What is written of an evaluation: strict JSON, with nothing where nothing was measured."""

from __future__ import annotations

import json

import torch

from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics.evaluate import evaluate
from linkgan_plugin.metrics.record import record, versions
from tests.toys import ToyGenerator, linked_weight

QUALITY = 0.25


def results(weight: torch.Tensor):
    spec = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)", "right=4:8@box(0.5,0,1,1)"], dim=8)
    return evaluate(LinkedGenerator(ToyGenerator(weight, 8), spec), pairs=6)


def test_values_and_errors_are_written_by_link_and_metric() -> None:
    links = results(linked_weight([range(4), range(4, 8)], 8, 8))
    found = record(links, QUALITY)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found["metrics"]) == {"left", "right"}
    for name, result in links.items():
        for key, estimate in result.estimates.items():
            assert (found["metrics"][name][key], found["stderr"][name][key]) == (estimate.value, estimate.stderr)
    assert found["metrics"]["left"]["locality"] == 1
    assert found["quality"] == 0.25


def test_a_broken_network_is_written_as_null_and_not_as_nan() -> None:
    found = record(results(torch.full((64, 8), torch.nan)), QUALITY)
    text = json.dumps(found, allow_nan=False)
    assert set(json.loads(text)["metrics"]["left"].values()) == {None}
    assert set(json.loads(text)["stderr"]["left"].values()) == {None}


def test_a_network_that_always_makes_the_same_image_has_no_ratios() -> None:
    found = record(results(torch.zeros(64, 8)), QUALITY)["metrics"]["left"]
    assert found == {
        "effect_in": 0, "effect_out": 0, "leak_in": 0, "leak_out": 0,
        "leak_ratio": None, "locality": None, "diversity_kept": None,
    }  # fmt: skip


def test_the_versions_that_a_number_depends_on_are_named() -> None:
    assert versions()["torch"] == torch.__version__
    assert set(versions()) == {"linkgan_plugin", "python", "torch", "numpy"}
