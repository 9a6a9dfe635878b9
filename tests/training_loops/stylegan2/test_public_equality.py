"""Names, shapes and outputs equal those of the public StyleGAN2 networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training_loops.stylegan2 import golden_cases as cases
from tests.training_loops.stylegan2.filled import fill, wave
from training_loops.stylegan2.networks import Discriminator, Generator

HERE = Path(__file__).parent
NAMES: dict[str, dict[str, dict[str, list[int]]]] = json.loads((HERE / "public_names.json").read_text())


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(HERE / "golden_stylegan2.npz") as archive:
        return dict(archive)


def _labels(c_dim: int) -> torch.Tensor:
    return torch.from_numpy(wave((cases.BATCH, c_dim), 0.2)) if c_dim else torch.zeros(cases.BATCH, 0)


@pytest.mark.parametrize(
    ("kind", "net"),
    [
        ("Generator", Generator(**cases.generator_kwargs("skip", 3))),
        ("Discriminator", Discriminator(**cases.discriminator_kwargs("resnet", 3))),
    ],
)
def test_names_order_and_shapes_are_those_of_public_snapshots(kind: str, net: torch.nn.Module) -> None:
    parameters = [(name, list(t.shape)) for name, t in net.named_parameters()]
    buffers = [(name, list(t.shape)) for name, t in net.named_buffers()]
    assert parameters == list(NAMES[kind]["parameters"].items())
    assert buffers == list(NAMES[kind]["buffers"].items())
    assert set(net.state_dict()) == {name for name, _ in parameters + buffers}


def test_the_public_64_pixel_configuration_has_its_known_size() -> None:
    with torch.device("meta"):
        G = Generator(z_dim=512, c_dim=0, w_dim=512, img_resolution=64, img_channels=3)
        D = Discriminator(c_dim=0, img_resolution=64, img_channels=3)
    assert sum(p.numel() for p in G.parameters()) == 27_032_600
    assert sum(p.numel() for p in D.parameters()) == 26_488_833
    assert G.num_ws == 10


@pytest.mark.parametrize(("c_dim", "psi", "cutoff", "noise_mode"), cases.CALLS)
@pytest.mark.parametrize("name", cases.GENERATORS)
def test_generator_gives_the_public_outputs(
    golden: dict[str, np.ndarray], name: str, c_dim: int, psi: float, cutoff: int | None, noise_mode: str
) -> None:
    G = Generator(**cases.generator_kwargs(name, c_dim)).eval()
    fill(G)
    z = torch.from_numpy(wave((cases.BATCH, cases.Z_DIM), 0.1))
    with torch.no_grad():
        ws = G.mapping(z, _labels(c_dim), truncation_psi=psi, truncation_cutoff=cutoff)
        images = G.synthesis(ws, noise_mode=noise_mode)
    _assert_close(ws[:, ::2], golden[f"G.{name}.{c_dim}.w"])
    _assert_close(images[:2, :, :, ::2], golden[f"G.{name}.{c_dim}.image"])


@pytest.mark.parametrize("c_dim", [0, 3])
@pytest.mark.parametrize("name", cases.DISCRIMINATORS)
def test_discriminator_gives_the_public_outputs(golden: dict[str, np.ndarray], name: str, c_dim: int) -> None:
    D = Discriminator(**cases.discriminator_kwargs(name, c_dim)).eval()
    fill(D)
    images = torch.from_numpy(wave((cases.BATCH, 3, cases.RESOLUTION, cases.RESOLUTION), 0.3))
    with torch.no_grad():
        logits = D(images, _labels(c_dim))
    _assert_close(logits, golden[f"D.{name}.{c_dim}.logits"])


def _assert_close(given: Any, expected: np.ndarray) -> None:
    assert given.shape == expected.shape
    assert np.abs(given.numpy() - expected).max() < 2e-5
