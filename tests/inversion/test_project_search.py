"""The search in W and W+: the published schedule and noise regulariser, and codes that are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from linkgan_plugin.calls.generator import GeneratorCalls
from linkgan_plugin.inversion import noise as noises
from linkgan_plugin.inversion import search as search_module
from linkgan_plugin.inversion.perceptual import PyramidDistance
from linkgan_plugin.inversion.rendering import Renderer
from linkgan_plugin.inversion.search import LatentSearch, latent_noise, learning_rate, statistics
from tests.toys import ToyGenerator

SIZE, DIM = 16, 6


@pytest.mark.parametrize(
    ("done", "rate"), [(0, 0), (0.025, 0.05), (0.05, 0.1), (0.5, 0.1), (0.75, 0.1), (0.875, 0.05), (1, 0)]
)
def test_the_learning_rate_goes_up_over_a_twentieth_and_down_over_the_last_quarter(done, rate):
    assert learning_rate(done) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize(("done", "level"), [(0, 0.05), (0.375, 0.0125), (0.75, 0), (0.9, 0)])
def test_the_noise_on_latents_decays_with_the_square_over_three_quarters(done, level):
    assert latent_noise(done) == pytest.approx(level)


def test_the_statistics_are_those_of_w():
    toy = ToyGenerator(torch.zeros(4, 3), 2, identity=False)
    found = statistics(GeneratorCalls.of(toy), 3, torch.zeros([1, 0]), samples=2500)
    z = np.random.RandomState(0).randn(2500, 3).astype(np.float32)
    w = z.astype(np.float64) @ toy.mapping.weight.detach().double().numpy().T
    assert np.allclose(found.mean[0].numpy(), w.mean(axis=0), atol=1e-6)
    assert found.deviation == pytest.approx(np.sqrt(((w - w.mean(axis=0)) ** 2).sum(axis=1).mean()), rel=1e-5)


def slow_autocorrelation(level: np.ndarray) -> float:
    total = 0.0
    while True:
        size = len(level)
        across = np.mean([level[y, x] * level[y, x - 1] for y in range(size) for x in range(size)])
        along = np.mean([level[y, x] * level[y - 1, x] for y in range(size) for x in range(size)])
        total += across**2 + along**2
        if size <= 8:
            return total
        quarters = level.reshape(size // 2, 2, size // 2, 2)
        level = quarters.sum(axis=(1, 3)) / 2


def test_the_noise_regulariser_is_the_published_sum():
    random = torch.Generator().manual_seed(0)
    maps = [torch.randn([2, 1, size, size], generator=random, dtype=torch.float64) for size in (4, 8, 32)]
    found = noises.autocorrelation(maps)
    expected = [sum(slow_autocorrelation(level[n, 0].numpy()) for level in maps) for n in range(2)]
    assert found.numpy() == pytest.approx(np.array(expected), rel=1e-12)


def test_a_image_in_the_noise_costs_far_more_than_noise():
    white = torch.randn([1, 1, 32, 32], generator=torch.Generator().manual_seed(0))
    wave = torch.linspace(0, 6.28, 32).sin().expand(1, 1, 32, 32) * 2**0.5
    assert noises.autocorrelation([wave])[0] > 100 * noises.autocorrelation([white])[0]


def test_noise_is_normalised_image_by_image():
    maps = [torch.randn([2, 1, 8, 8]) * torch.tensor([3.0, 0.1]).view(2, 1, 1, 1) + 5]
    noises.normalise(maps)
    assert torch.allclose(maps[0].mean(dim=(1, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(maps[0].var(dim=(1, 2, 3), correction=0), torch.ones(2), atol=1e-4)


def search(generator, targets, latents, noise, steps, **options):
    renderer, labels = Renderer(generator), torch.zeros([len(targets), 0])
    options = {"num_ws": 2, "seed": 0, "deviations": torch.full([len(targets)], 2.0)} | options
    return LatentSearch(renderer, PyramidDistance(), targets, labels, latents, noise, steps=steps, **options)


def test_the_code_of_a_linear_network_is_found():
    random = torch.Generator().manual_seed(0)
    toy = ToyGenerator(torch.randn([SIZE * SIZE, DIM], generator=random) / 4, SIZE).requires_grad_(False)
    codes = torch.randn([2, DIM], generator=random)
    targets = toy.synthesis(codes[:, None])
    found = search(toy, targets, torch.zeros([2, 1, DIM]), {}, 150)
    first = found.advance()
    for _ in range(149):
        last = found.advance()
    assert torch.all(last < first / 20)
    assert torch.allclose(found.latents, codes[:, None].expand(-1, 2, -1), atol=0.05)


def noise_like(shown: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {name: torch.randn([1, 1, *level.shape], generator=random) for name, level in shown.items()}


@pytest.fixture
def noisy(generator):
    """A generator whose images owe much to noise, a target of its own with other noise, and its latents."""
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
    shown = Renderer(generator).noise_that_shows(torch.zeros([1, 6, 8]), torch.zeros([1, 0]))
    latents = torch.randn([1, 1, 8], generator=torch.Generator().manual_seed(5))
    target = Renderer(generator).images(latents.expand(-1, 6, -1), torch.zeros([1, 0]), noise_like(shown, 3))
    return generator, target, latents, noise_like(shown, 4)


def test_noise_takes_up_what_latents_cannot_say(noisy, monkeypatch):
    generator, target, latents, noise = noisy
    monkeypatch.setattr(search_module, "_NOISE_WEIGHT", 100.0)
    found = search(generator, target, latents, noise, 60, num_ws=6)
    without = search(generator, target, latents, {}, 60, num_ws=6)
    for _ in range(60):
        last, last_without = found.advance(), without.advance()
    assert last < 0.6 * last_without


def test_noise_stays_noise(noisy):
    generator, target, latents, noise = noisy
    found = search(generator, target, latents, noise, 60, num_ws=6)
    for _ in range(60):
        found.advance()
    assert len(found.noise) == 5
    assert all(abs(float(level.mean())) < 1e-5 for level in found.noise.values())
    assert all(abs(float(level.var(correction=0)) - 1) < 1e-4 for level in found.noise.values())
    assert noises.autocorrelation(found.noise.values()) < 0.01 * noises.autocorrelation(noise.values())
