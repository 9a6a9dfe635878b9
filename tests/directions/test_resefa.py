"""ReSeFa: planted directions, the closed form of a linear generator in float64, layers, Z, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from linkgan_plugin.directions import task
from linkgan_plugin.directions.find import DEFAULT, find_directions
from linkgan_plugin.directions.resefa import resefa
from linkgan_plugin.directions.task import Task
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import parse_region

from .planted import DIM, SIZE, StyledGenerator, angle, opened, strips, turned

LEFT = "box(0,0,0.5,1)"


@pytest.fixture(autouse=True)
def few_latents(monkeypatch):
    monkeypatch.setattr(task, "SPREAD", 2000)


def outside_span(vectors: Tensor, span: Tensor) -> float:
    """Return the largest angle in degrees between rows [K, D] and the span of rows [n, D]."""
    axes = np.linalg.qr(span.double().numpy().T)[0]
    rows = vectors.double().numpy() / np.linalg.norm(vectors.double().numpy(), axis=1, keepdims=True)
    return float(np.degrees(np.arcsin(np.clip(np.linalg.norm(rows - rows @ axes @ axes.T, axis=1), 0, 1)).max()))


@pytest.mark.parametrize("space", ["w", "z"])
def test_directions_of_a_region_are_those_that_change_nothing_else(space):
    mix = turned()
    found = find_directions(opened(strips(mix), space), region=LEFT, count=4, probes=512)
    assert DEFAULT == found.method == "resefa"
    assert found.space == space
    assert outside_span(found.vectors[:, 0], mix.T[:4]) < 5
    assert (found.effect / (found.effect + found.leak)).min() > 0.99
    assert found.settings == {"probes": 512, "ridge": 0.01, "layers": "all"}


def test_directions_are_the_generalised_eigenvectors_of_the_exact_jacobian():
    random = torch.Generator().manual_seed(1)
    generator = strips(torch.eye(DIM))
    weight = torch.randn([SIZE, SIZE, DIM], generator=random) * torch.linspace(0.3, 1.5, DIM)
    weight[:, :4, :3] *= 3  # axes 0 to 2 change the left half most
    generator.synthesis.weight.data = weight.view(SIZE * SIZE, DIM)
    # W is N(0, I), so whitening changes nothing; n maximises n^T A n / n^T (B + eps I) n.
    left, right = (part.reshape(-1, DIM).double().numpy() for part in (weight[:, :4], weight[:, 4:]))
    inside, outside = left.T @ left, right.T @ right
    ridge = 0.01 * np.trace(inside + outside) / DIM
    _, wanted = scipy.linalg.eigh(inside, outside + ridge * np.eye(DIM))
    found = find_directions(opened(generator), region=LEFT, count=1, probes=8192)
    assert angle(found.vectors[0], torch.from_numpy(wanted[:, -1])) < 5


def test_only_the_chosen_layers_move():
    generator = StyledGenerator()
    for number, layer in enumerate(generator.synthesis.layers):
        layer.map[:, :, 4:] = 0 if number == 1 else layer.map[:, :, 4:]  # layer 1 paints the left half only
    found = find_directions(opened(generator), region=LEFT, count=2, probes=64, layers="1")
    assert found.vectors.shape == (2, 3, DIM)
    assert not found.vectors[:, [0, 2]].any()
    assert found.leak.max() < 1e-9 < found.effect.min()
    with pytest.raises(LinkGANError, match=r"layers of W '3': this network has 3, 0 to 2"):
        find_directions(opened(generator), region=LEFT, layers="3")


def test_the_same_seed_gives_the_same_directions_and_the_global_random_state_stays():
    generator = opened(strips(turned()))
    before = torch.get_rng_state()
    first, again, other = (
        find_directions(generator, region=LEFT, count=2, probes=32, seed=seed).vectors for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"probes": 0}, "0 probes; expected at least 1"),
        ({"ridge": 0.0}, "ridge 0; expected above 0"),
        ({"region": None}, "resefa finds directions for a region"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(LinkGANError, match=message):
        find_directions(opened(strips(turned())), **{"region": LEFT, **settings})


def test_a_region_that_nothing_changes_is_refused():
    generator = strips(turned())
    generator.synthesis.weight.data.view(SIZE, SIZE, DIM)[:, :4] = 0
    with pytest.raises(LinkGANError, match=r"no latent axis changes the region box\(0,0,0.5,1\): these images"):
        find_directions(opened(generator), region=LEFT, probes=8)


def test_as_many_directions_as_axes_are_found_and_no_more():
    found = find_directions(opened(strips(turned())), region=LEFT, count=DIM + 5, probes=64)
    assert len(found) == DIM


def test_at_most_16_images_are_rendered_at_a_time_with_gradients():
    generator = strips(turned())
    rows = []
    generator.synthesis.register_forward_hook(
        lambda module, args, out: rows.append(len(out)) if out.requires_grad else None
    )
    resefa(Task(opened(generator), 2, parse_region(LEFT)), probes=40)
    assert rows == [16, 16, 8]
