"""Steerability: directions that imitate edits of a blob whose axes are known."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.errors import LinkGANError

from .blobs import BlobGenerator, attributed, position
from .planted import angle, opened, turned

QUICK = {"steps": 60, "batch": 8}


def test_steerability_finds_the_axes_that_move_the_blob():
    mix = turned()
    edits = "shift_x,shift_y,brightness"
    found = find_directions(opened(BlobGenerator()), "steerability", edits=edits, reach=0.5, **QUICK)
    assert found.names == ("shift_x", "shift_y", "brightness")
    for number in range(3):
        assert angle(found.vectors[number], mix[:, number]) < 5
        assert float(found.vectors[number, 0] @ mix[:, number]) > 0


def test_bent_directions_move_the_blob_too():
    linked = opened(BlobGenerator())
    found = find_directions(linked, "steerability", edits="shift_x", bent=True, **QUICK)
    latents = linked.draw(range(64))
    x, y = ((found.moved(latents, 0, 1.0) - latents)[:, 0] @ turned()[:, :2]).T
    assert float(x.mean()) == pytest.approx(1, abs=0.1)
    assert float(y.abs().mean()) < 0.1
    assert position(torch.tensor(1.0)) == pytest.approx(0.06)


def test_the_same_seed_gives_the_same_directions_and_the_global_random_state_stays():
    linked = opened(BlobGenerator())
    before = torch.get_rng_state()
    found = [
        find_directions(linked, "steerability", edits="zoom", steps=3, bent=True, seed=seed).vectors
        for seed in (0, 0, 1)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_gradients_that_are_not_finite_are_refused():
    generator = attributed()[0]
    generator.synthesis.weight.data[0, 0] = float("nan")
    with pytest.raises(LinkGANError, match="not finite"):
        find_directions(opened(generator), "steerability", edits="zoom", steps=1)
