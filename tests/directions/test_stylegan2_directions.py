"""Every closed-form method runs on a real StyleGAN2 in W and Z, with classes, and leaves the network as it was."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.directions import task as module
from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.labels import constant_labels
from linkgan_plugin.links import LinkSpec
from training_loops.stylegan2.networks import Generator

FEW = {"sefa": {}, "ganspace": {"samples": 200}, "resefa": {"probes": 24}, "lowrank": {"probes": 24, "null": 6},
       "stylespace": {"samples": 4}}  # fmt: skip


@pytest.fixture(autouse=True)
def few_latents(monkeypatch):
    monkeypatch.setattr(module, "SPREAD", 1000)
    monkeypatch.setattr(module, "STYLED", 32)
    monkeypatch.setattr("linkgan_plugin.directions.find.measured.__defaults__", (4,))


@pytest.fixture(scope="module")
def network() -> Generator:
    torch.manual_seed(0)
    return Generator(
        z_dim=12, c_dim=2, w_dim=10, img_resolution=16, img_channels=3, mapping_kwargs={"num_layers": 2},
        channel_base=128, channel_max=8,
    ).eval()  # fmt: skip


@pytest.mark.parametrize("space", ["w", "z"])
@pytest.mark.parametrize("method", FEW)
def test_a_method_finds_directions_and_leaves_the_network_as_it_was(network, method, space):
    spec = LinkSpec((), getattr(network, f"{space}_dim"), space)
    generator = LinkedGenerator(network, spec, labels=constant_labels(torch.tensor([1.0, 0.0])))
    before = generator.render(generator.draw([0]), generator.labels([0]))
    found = find_directions(generator, method, region="box(0,0,0.5,1)", count=2, **FEW[method])
    assert len(found) == 2
    assert found.space == ("s" if method == "stylespace" else space)
    assert bool((found.effect > 0).all())
    assert torch.equal(generator.render(generator.draw([0]), generator.labels([0])), before)
    assert not any(module._forward_hooks for module in network.modules())
    assert not any(parameter.grad is not None for parameter in network.parameters())


def test_ctrl_c_propagates_and_leaves_no_hooks(network):
    generator = LinkedGenerator(network, LinkSpec((), 10), labels=constant_labels(torch.tensor([1.0, 0.0])))

    def interrupted(steps, text):
        for number, step in enumerate(steps):
            if text == "comparing channels" and number == 1:
                raise KeyboardInterrupt
            yield step

    with pytest.raises(KeyboardInterrupt):
        find_directions(generator, "stylespace", region="box(0,0,0.5,1)", samples=40, progress=interrupted)
    assert not any(module._forward_hooks for module in network.modules())
