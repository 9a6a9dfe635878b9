"""Methods that need no training, on a 3D-aware generator: cameras go with seeds, every direction can be moved."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.directions.find import find_directions, moved_image
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.labels import constant_labels
from linkgan_plugin.links import LinkSpec
from tests.training_loops.eg3d.test_networks import CAMERAS, small_generator

SETTINGS = {
    "sefa": {},
    "ganspace": {"samples": 100},
    "resefa": {"probes": 8},
    "lowrank": {"probes": 8, "null": 2},
    "stylespace": {"samples": 2, "probes": 1},
}


@pytest.mark.parametrize("method", SETTINGS)
def test_directions_of_a_3d_aware_generator_move_its_images(method, monkeypatch):
    monkeypatch.setattr("linkgan_plugin.directions.task.SPREAD", 1000)
    monkeypatch.setattr("linkgan_plugin.directions.task.STYLED", 8)
    monkeypatch.setattr("linkgan_plugin.directions.find.SCORED", 2)
    network = small_generator().requires_grad_(False)
    generator = LinkedGenerator(network, LinkSpec((), 5), labels=constant_labels(CAMERAS[:1]))
    found = find_directions(generator, method, region="box(0,0,1,0.5)", count=2, **SETTINGS[method])
    labels = generator.labels([5])
    latents = generator.draw([5], labels)
    still = generator.render(latents, labels)
    change = [moved_image(generator, found, 0, amount, latents, labels) - still for amount in (0.0, 2.0)]
    assert change[0].abs().max() == 0
    assert change[1].abs().max() > 0
    assert torch.isfinite(found.effect).all()
