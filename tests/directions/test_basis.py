"""The basis of regions: finds planted subspaces, agrees with a brute-force Jacobian, keeps the latents' covariance."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor, nn

from linkgan_plugin.directions import task as module
from linkgan_plugin.directions.basis import directions_of, link_grams, region_basis
from linkgan_plugin.directions.jacobians import whitening
from linkgan_plugin.directions.task import Task
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.labels import labels_from
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics.evaluate import evaluate
from tests.regions.shapes import Bright
from tests.toys import ToyGenerator

SIZE, DIM = 8, 12
TEXTS = ["left=0:4@box(0,0,0.5,1)", "right=6:9@box(0.5,0,1,1)"]
SPEC = LinkSpec.parse(TEXTS, dim=DIM)


@pytest.fixture(autouse=True)
def few_latents(monkeypatch):
    monkeypatch.setattr(module, "SPREAD", 4000)


def turned(dim: int, seed: int = 0) -> Tensor:
    """A random rotation, float32 [dim, dim]."""
    random = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn([dim, dim], generator=random, dtype=torch.float64))[0].float()


def planted(mix: Tensor, blocks=(range(4), range(4, 7))) -> ToyGenerator:
    """A linear generator: the axes of each block of z @ mix^T own one strip of the image; other axes change nothing."""
    random = torch.Generator().manual_seed(9)
    weight = torch.zeros(SIZE, SIZE, DIM)
    width = SIZE // len(blocks)
    for number, axes in enumerate(blocks):
        strip = slice(number * width, (number + 1) * width)
        weight[:, strip, list(axes)] = torch.randn([SIZE, width, len(axes)], generator=random)
    return ToyGenerator(weight.view(SIZE * SIZE, DIM) @ mix.T, SIZE)


def largest_angle(found: Tensor, wanted: Tensor) -> float:
    """Return the largest principal angle, in degrees, between the spans of rows [n, D] and [n, D]."""
    return float(np.degrees(scipy.linalg.subspace_angles(found.double().numpy().T, wanted.double().numpy().T)[0]))


def test_known_directions_of_known_pixels_are_found_within_5_degrees():
    mix = turned(DIM)
    generator = LinkedGenerator(planted(mix), SPEC)
    basis = region_basis(generator, probes=1024)
    # image = z @ mix @ weight^T: the strips change along the columns of `mix`.
    assert largest_angle(basis.rows[:4], mix.T[:4]) < 5
    assert largest_angle(basis.rows[6:9], mix.T[4:7]) < 5
    assert largest_angle(basis.rows[[4, 5, 9, 10, 11]], mix.T[7:]) < 5


def test_links_in_the_basis_are_local_where_the_plain_axes_are_not():
    generator = LinkedGenerator(planted(turned(DIM)), SPEC)
    basis = region_basis(generator, probes=1024)
    there = LinkedGenerator(generator.generator, dataclasses.replace(SPEC, basis=basis))
    before, after = (evaluate(g, pairs=32, metrics=["locality"]) for g in (generator, there))
    for name in SPEC.names:
        assert after[name].values()["locality"] > 0.98
        assert before[name].values()["locality"] < 0.8


class Mapping(nn.Module):
    """z -> ws by a fixed matrix, plus a shift by the class."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, z: Tensor, c: Tensor | None, truncation_psi: float = 1) -> Tensor:
        w = z @ self.weight.T
        if c is not None and c.shape[1]:
            w = w + c @ torch.ones([c.shape[1], w.shape[1]])
        return (truncation_psi * w).unsqueeze(1).expand(-1, 2, -1)


class Curved(nn.Module):
    """ws [N, 2, D] -> images [N, 2, 4, 4], each layer through its own waves."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(3)
        self.waves = nn.Parameter(torch.randn([2, 2, 4, 4, dim], generator=random) / 2, requires_grad=False)

    def forward(self, ws: Tensor) -> Tensor:
        waves = self.waves.to(ws.dtype)
        first, second = (torch.einsum("nd,chwd->nchw", ws[:, layer], waves[layer]) for layer in (0, 1))
        return torch.tanh(first) + 0.5 * first * second


class CurvedGenerator(nn.Module):
    """A nonlinear generator of 2 layers, with or without classes."""

    num_ws, img_resolution, img_channels = 2, 4, 2

    def __init__(self, dim: int = 5, c_dim: int = 0) -> None:
        super().__init__()
        self.z_dim = self.w_dim = dim
        self.c_dim = c_dim
        random = torch.Generator().manual_seed(4)
        self.mapping = Mapping(torch.eye(dim) + torch.randn([dim, dim], generator=random) / 3)
        self.synthesis = Curved(dim)


@pytest.mark.parametrize("space", ["w", "z"])
@pytest.mark.parametrize("region", ["box", "bright"])
def test_gradients_average_to_the_brute_force_jacobian(space, region):
    spec = LinkSpec.parse(["a=0:2@box(0,0,0.5,1)"], dim=5, space=space)
    if region == "bright":  # another mask for each image
        spec = dataclasses.replace(spec, links=(dataclasses.replace(spec.links[0], region=Bright()),))
    generator = LinkedGenerator(CurvedGenerator(), spec)
    probes = 6000
    found = link_grams(generator, probes, batch=500)

    seeds = range(module.FIRST_SEED, module.FIRST_SEED + 200)
    latents = generator.draw(seeds)
    masks = spec.region_masks(generator.scene(generator.rendering(latents), generator.labels(seeds)))
    masks = masks.expand(-1, len(latents), -1, -1, -1).double()
    network = generator.generator

    def image(u: Tensor) -> Tensor:
        ws = u.expand(1, 2, -1) if space == "w" else (u @ network.mapping.weight.double().T).expand(1, 2, -1)
        return network.synthesis(ws)[0]

    expected = np.zeros([2, 5, 5])
    for row in range(len(latents)):
        jacobian = torch.autograd.functional.jacobian(image, latents[row, 0].double())  # [C, H, W, D]
        for k in range(2):
            weighted = (jacobian * masks[k, row].unsqueeze(-1)).flatten(0, 2)
            expected[k] += (jacobian.flatten(0, 2).T @ weighted).numpy() / len(latents) / 16
    for k in range(2):
        error = np.linalg.norm(found[k] - expected[k]) / np.linalg.norm(expected[k])
        assert error < 0.2, (k, error)
    assert found.shape == (2, 5, 5)


def test_one_region_of_everything_else_adds_up_to_the_whole_jacobian():
    generator = LinkedGenerator(CurvedGenerator(), LinkSpec.parse(["a=0:2@box(0,0,0.5,1)"], dim=5))
    whole = LinkSpec.parse(["a=0:2@box(0,0,1,0.99)"], dim=5)
    halves = link_grams(generator, 4000, batch=500).sum(axis=0)
    one = link_grams(LinkedGenerator(generator.generator, whole), 4000, batch=500).sum(axis=0)
    assert np.linalg.norm(halves - one) / np.linalg.norm(one) < 0.1


@pytest.mark.parametrize("c_dim", [0, 3])
def test_swapped_coordinates_keep_the_covariance_of_latents(c_dim, monkeypatch):
    monkeypatch.setattr(module, "SPREAD", 10_000)
    spec = LinkSpec.parse(["a=0:2@box(0,0,0.5,1)"], dim=5)

    class Classes:
        def __len__(self) -> int:
            return 3

        def get_label(self, index: int) -> np.ndarray:
            return np.eye(3, dtype=np.float32)[index]

    labels = labels_from(Classes(), 3) if c_dim else None
    generator = LinkedGenerator(CurvedGenerator(c_dim=c_dim), spec, labels=labels)
    basis = region_basis(generator, probes=256)
    latents, donors = generator.draw(range(10_000)), generator.draw(range(10_000, 20_000))
    block = torch.tensor([True, True, False, False, False])
    swapped = basis.replace(latents, donors, block)[:, 0]
    expected = np.cov(latents[:, 0].numpy().T)
    found = np.cov(swapped.numpy().T)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 0.05
    # The plain axes do not keep it: they are correlated.
    plain = np.cov(torch.where(block, donors, latents)[:, 0].numpy().T)
    assert np.abs(plain - expected).max() / np.abs(expected).max() > 0.1


def test_whitening_raises_small_variances_to_the_floor():
    generator = LinkedGenerator(CurvedGenerator(), LinkSpec.parse(["a=0:2@box(0,0,0.5,1)"], dim=5))
    generator.generator.mapping.weight.data = torch.diag(torch.tensor([3.0, 1, 1, 1, 1e-4]))
    variances = np.linalg.eigvalsh(whitening(Task(generator))) ** 2
    assert variances[0] == pytest.approx(0.01 * 12 / 5, rel=0.1)
    assert variances[-1] == pytest.approx(9, rel=0.1)


def test_in_z_the_basis_is_orthonormal():
    spec = LinkSpec.parse(TEXTS, dim=DIM, space="z")
    basis = region_basis(LinkedGenerator(planted(turned(DIM)), spec), probes=64)
    torch.testing.assert_close(basis.rows @ basis.rows.T, torch.eye(DIM), rtol=0, atol=1e-5)
    assert torch.equal(basis.inverse, basis.rows.T)


def test_overlapping_links_share_what_they_both_want_equally():
    random = np.random.default_rng(0)
    first, second = (x / np.linalg.norm(x) for x in random.normal(size=[2, 4]))
    second = (first + 0.5 * second) / np.linalg.norm(first + 0.5 * second)
    spec = LinkSpec.parse(["a=0:1@box(0,0,1,0.5)", "b=3:4@box(0,0.5,1,1)"], dim=4)
    grams = np.stack([np.outer(first, first), np.outer(second, second), 1e-3 * np.eye(4)])
    rows = directions_of(grams, spec, 1e-2)
    np.testing.assert_allclose(rows @ rows.T, np.eye(4), atol=1e-12)
    found = directions_of(grams[[1, 0, 2]], spec, 1e-2)
    np.testing.assert_allclose(np.abs(found[[3, 0]] @ rows[[0, 3]].T), np.eye(2), atol=1e-9)


def test_links_that_own_every_axis_and_want_the_same_directions_still_give_a_basis():
    spec = LinkSpec.parse(["a=0:2@box(0,0,1,0.5)", "b=2:4@box(0,0.5,1,1)"], dim=4)
    grams = np.stack([np.diag([4.0, 3, 2, 1]), np.diag([4.0, 3, 2, 1]), np.eye(4)])
    rows = directions_of(grams, spec, 1e-2)
    np.testing.assert_allclose(rows @ rows.T, np.eye(4), atol=1e-9)


def test_the_same_seed_gives_the_same_basis_and_the_global_random_state_stays():
    generator = LinkedGenerator(planted(turned(DIM)), SPEC)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = region_basis(generator, probes=64)
    assert torch.equal(torch.get_rng_state(), before)
    assert region_basis(generator, probes=64) == first
    assert region_basis(generator, probes=64, seed=1) != first
    assert not any(parameter.grad is not None for parameter in generator.generator.parameters())


class Solid(Curved):
    """`Curved` through a camera c [N, 25], with ray jitter from the global random state, as eg3d's dict."""

    def forward(self, ws: Tensor, c: Tensor) -> dict[str, Tensor]:
        image = super().forward(ws) * c.mean(dim=1).view(-1, 1, 1, 1) + torch.rand([])
        return {"image": image, "image_raw": image, "image_depth": image[:, :1].detach() + 3}


def test_3d_aware_generators_are_rendered_through_the_cameras_of_their_seeds():
    network = CurvedGenerator(c_dim=25)
    network.synthesis = Solid(5)
    network.mapping.weight.data = torch.eye(5)
    asked = []

    def cameras(seeds):
        asked.extend(seeds)
        return torch.ones([len(seeds), 25])

    spec = LinkSpec.parse(["a=0:2@box(0,0,0.5,1)"], dim=5)
    generator = LinkedGenerator(network, spec, labels=cameras)
    assert generator.is_3d_aware
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found = link_grams(generator, 64, batch=16)
    assert torch.equal(torch.get_rng_state(), before)
    assert asked == list(range(module.FIRST_SEED, module.FIRST_SEED + 64))

    class Shifted(nn.Module):
        """The mapping of the 3D network at those cameras, without a camera."""

        def forward(self, z: Tensor, c: Tensor | None) -> Tensor:
            return network.mapping(z, torch.ones([len(z), 25]))

    flat = CurvedGenerator()
    flat.mapping = Shifted()
    np.testing.assert_allclose(found, link_grams(LinkedGenerator(flat, spec), 64, batch=16), rtol=1e-5)


def test_progress_covers_every_probe():
    seen = []

    def progress(steps):
        seen.extend(steps)
        return steps

    region_basis(LinkedGenerator(planted(turned(DIM)), SPEC), probes=50, batch=16, progress=progress)
    assert seen == [0, 16, 32, 48]


@pytest.mark.parametrize("wrong", [{"probes": 0}, {"batch": 0}, {"ridge": 0.0}, {"ridge": float("nan")}])
def test_impossible_settings_are_refused_with_their_values(wrong):
    with pytest.raises(LinkGANError, match=r"probes, batch .*, ridge .*; expected at least 1, 1, and above 0"):
        region_basis(LinkedGenerator(planted(turned(DIM)), SPEC), **wrong)


def test_a_generator_that_ignores_its_latents_is_refused():
    with pytest.raises(LinkGANError, match="no latent axis changes the image"):
        region_basis(LinkedGenerator(ToyGenerator(torch.zeros(SIZE * SIZE, DIM), SIZE), SPEC), probes=8)
