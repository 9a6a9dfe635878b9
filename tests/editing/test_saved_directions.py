"""Directions in saved edits: to the bit, also those of earlier versions, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch

from linkgan_plugin.directions.directions import Directions
from linkgan_plugin.directions.fields import Perceptrons, Warp
from linkgan_plugin.editing.editor import DirectionEdit, Editor
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.editing.plain import tensor_to_json
from linkgan_plugin.editing.saved_directions import directions_from_json, directions_to_json
from linkgan_plugin.errors import LinkGANError

STRAIGHT = Directions(torch.randn(2, 3, 4), effect=torch.rand(2), leak=torch.rand(2), names=("a", ""))
STYLES = Directions(torch.randn(3, 1, 9), "s", method="m", settings={"layers": "all"}, seed=4, region="eyes")
WARP = Warp(torch.randn(2, 3, 4), torch.randn(2, 3), torch.rand(2, 3), torch.ones(2))
PERCEPTRONS = Perceptrons(torch.randn(2, 3, 4), torch.randn(2, 3), torch.randn(2, 4, 3), torch.randn(2, 4))
BENT = [Directions(torch.randn(2, 1, 4), "z", bend=bend) for bend in (WARP, PERCEPTRONS)]


@pytest.mark.parametrize("directions", [STRAIGHT, STYLES, *BENT])
def test_directions_survive_json_to_the_bit(directions):
    data = directions_to_json(directions)
    again = directions_from_json(json.loads(json.dumps(data)), "w")
    assert directions_to_json(again) == data
    assert torch.equal(again.vectors, directions.vectors)
    if directions.bend is not None:
        latents = torch.randn(5, 1, 4)
        assert torch.equal(again.moved(latents, 1, 2.0), directions.moved(latents, 1, 2.0))


def earlier(vectors: torch.Tensor, scales: torch.Tensor) -> dict[str, object]:
    """The form of earlier versions."""
    parts = {"vectors": vectors, "scales": scales, "changes": torch.ones(len(scales))}
    return {name: tensor_to_json(part) for name, part in parts.items()}


def test_edits_saved_by_earlier_versions_give_the_same_image():
    editor = Editor.of_seed(example_generator(), 0)
    editor.do(DirectionEdit("left", 1, 1.5))
    saved = editor.to_json()
    moves = editor.directions("left").vectors[:, 0]
    scales = moves.norm(dim=1)
    saved["directions"] = {"left": earlier(moves / scales[:, None], scales)}
    again = Editor.from_json(example_generator(), json.loads(json.dumps(saved)))
    assert torch.allclose(again.image(), editor.image(), atol=1e-6)
    assert again.directions("left").effect is None
    assert Editor.from_json(example_generator(), again.to_json()).latents.equal(again.latents)


GOOD = directions_to_json(STRAIGHT)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "directions has no 'vectors'"),
        (GOOD | {"vector": {}}, "unknown field 'vector'.*did you mean 'vectors'"),
        (GOOD | {"names": [1, 2]}, "'names' must be a list of texts"),
        (GOOD | {"names": ["a"]}, "1 names for 2 directions"),
        (GOOD | {"space": "x"}, "space 'x', expected one of w, z, s"),
        (GOOD | {"effect": tensor_to_json(torch.ones(3))}, r"\[3\] numbers of effect for 2 directions"),
        (GOOD | {"bend": {"kind": "wrap"}}, "unknown kind of directions 'wrap'.*'warp'"),
        (GOOD | {"bend": {"kind": "warp"}}, "lack the tensors supports"),
        (directions_to_json(BENT[0]) | {"vectors": tensor_to_json(torch.ones(2, 1, 5))}, "a field over 4 axes"),
        (earlier(torch.ones(2, 4), torch.ones(3)), r"\[2, 4\] with \[3\] scales do not fit together"),
        (earlier(torch.ones(2, 4), torch.ones(2)) | {"more": 1}, "unknown field 'more'"),
    ],
)
def test_damaged_directions_are_refused(data, message):
    with pytest.raises(LinkGANError, match=message):
        directions_from_json(data, "w")
