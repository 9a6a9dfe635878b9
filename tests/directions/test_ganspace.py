"""GANSpace: the principal components as NumPy finds them in float64, in W and from the first layer that z reaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from linkgan_plugin.directions import task as module
from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.directions.first import first_layer
from linkgan_plugin.directions.ganspace import ganspace
from linkgan_plugin.directions.task import Task
from linkgan_plugin.errors import LinkGANError

from .planted import DIM, StyledGenerator, angle, opened, strips, turned


@pytest.fixture(autouse=True)
def few_latents(monkeypatch):
    monkeypatch.setattr(module, "SPREAD", 2000)


class Transposed(nn.Module):
    """A generator without W, as DCGAN: a transposed convolution of z, whose output channels are `features`."""

    z_dim, c_dim, img_resolution = DIM, 0, 4

    def __init__(self, features: torch.Tensor) -> None:
        super().__init__()
        self.last = nn.Conv2d(len(features), 1, 1)  # registered first, called last
        self.first = nn.ConvTranspose2d(DIM, len(features), 4, bias=False)
        self.first.weight.data = features.T.view(DIM, -1, 1, 1).expand(-1, -1, 4, 4).contiguous()

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.first(z.view(-1, DIM, 1, 1))))


def scaled_features() -> tuple[torch.Tensor, torch.Tensor]:
    """Features of z, [20, DIM], and the directions of z that change them most, largest first, [DIM, DIM]."""
    left, right = torch.linalg.qr(torch.randn([20, DIM], generator=torch.Generator().manual_seed(2)))[0], turned()
    return left * 0.7 ** torch.arange(DIM) @ right.T, right.T


def test_components_of_w_are_those_of_the_sample_covariance():
    generator = opened(strips(torch.eye(DIM)))
    generator.generator.mapping.weight.data = turned() * torch.linspace(3, 0.5, DIM)
    task = Task(generator, count=5)
    latents = generator.draw(task.seeds(0, 2500))[:, 0].double().numpy()
    _, wanted = np.linalg.eigh(np.cov(latents.T))
    found = ganspace(task, samples=2500).vectors
    assert found.shape == (5, 1, DIM)
    for number in range(5):
        assert angle(found[number], torch.from_numpy(wanted[:, -1 - number])) < 0.01


def test_planted_components_of_w_are_found_within_5_degrees_and_have_their_deviations():
    generator = strips(torch.eye(DIM))
    deviations = 3 * 0.7 ** torch.arange(DIM)
    generator.mapping.weight.data = turned() * deviations
    found = find_directions(opened(generator), "ganspace", count=3)
    for number in range(3):
        assert angle(found.vectors[number], turned()[:, number]) < 5
    assert found.vectors.norm(dim=2).flatten().tolist() == pytest.approx(deviations[:3].tolist(), rel=0.05)


def test_only_the_chosen_layers_move():
    found = find_directions(opened(StyledGenerator()), "ganspace", count=2, layers="0:1,2", samples=100)
    assert found.vectors.shape == (2, 3, DIM)
    assert not found.vectors[:, 1].any()
    assert torch.equal(found.vectors[:, 0], found.vectors[:, 2])


def test_in_z_directions_change_the_components_of_the_first_layer():
    features, wanted = scaled_features()
    found = find_directions(opened(Transposed(features), "z"), "ganspace", count=3, samples=4000)
    assert found.vectors.shape == (3, 1, DIM)
    for number in range(3):
        assert angle(found.vectors[number], wanted[number]) < 5


def test_components_of_features_agree_with_a_float64_decomposition():
    features, _ = scaled_features()
    network = Transposed(features)
    task = Task(opened(network, "z"), count=3)
    z = task.draw(0, 500)[0][:, 0].double()
    rows = torch.einsum("nd,dphw->nphw", z, network.first.weight.detach().double()).flatten(1)
    _, _, components = torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False)
    wanted = torch.linalg.lstsq(z - z.mean(dim=0), (rows - rows.mean(dim=0)) @ components[:3].T).solution.T
    found = ganspace(task, samples=500).vectors
    for number in range(3):
        assert angle(found[number], wanted[number]) < 0.01


def test_the_first_layer_is_the_first_that_is_called_not_registered():
    network = Transposed(scaled_features()[0])
    assert first_layer(Task(opened(network, "z"))) is network.first
    assert not any(module._forward_hooks for module in network.modules())
    styled = StyledGenerator()
    assert first_layer(Task(opened(styled, "z"))) is styled.mapping
    with pytest.raises(LinkGANError, match="Flat has no layer with a weight that takes z"):
        first_layer(Task(opened(Flat(), "z")))


class Flat(nn.Module):
    z_dim, c_dim = DIM, 0

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z.view(-1, 1, 3, 4)


def test_too_few_samples_and_features_that_do_not_fit_are_refused(monkeypatch):
    with pytest.raises(LinkGANError, match="ganspace of 1 samples; expected at least 2"):
        find_directions(opened(StyledGenerator()), "ganspace", samples=1)
    monkeypatch.setattr("linkgan_plugin.directions.ganspace._VALUES", 32_000)
    with pytest.raises(LinkGANError, match="500 samples of 320 features do not fit into memory; use at most 100"):
        find_directions(opened(Transposed(scaled_features()[0]), "z"), "ganspace", samples=500)
