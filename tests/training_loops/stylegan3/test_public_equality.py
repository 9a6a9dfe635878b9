"""Names, shapes and outputs equal those of the public StyleGAN3 networks: stored ones and, with LINKGAN_HOSTS, live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training_loops.stylegan3 import golden_cases as cases
from tests.training_loops.stylegan3 import host_outputs
from training_loops.stylegan3.networks import Generator

HERE = Path(__file__).parent
REAL = Path(os.environ.get("LINKGAN_HOSTS", "")) / "stylegan3"
_IF_REAL = pytest.mark.skipif(not REAL.is_dir(), reason="LINKGAN_HOSTS does not lead to a stylegan3")


@pytest.fixture(scope="module", params=["stored", pytest.param("live", marks=_IF_REAL)])
def public(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the public outputs: as stored here, or made now by the checkout in LINKGAN_HOSTS."""
    if request.param == "stored":
        return HERE
    folder = tmp_path_factory.mktemp("public")
    command = [sys.executable, "-m", host_outputs.__name__, str(REAL), str(folder)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[3])
    return folder


@pytest.mark.parametrize("name", ["T", "R"])
def test_names_order_and_shapes_are_those_of_public_snapshots(public: Path, name: str) -> None:
    expected = json.loads((public / "public_names.json").read_text())[name]
    assert cases.tensor_names(Generator(**cases.generator_kwargs(name, cases.LABELS))) == expected


@pytest.mark.parametrize("name", cases.GENERATORS)
def test_generator_gives_the_public_outputs(public: Path, name: str) -> None:
    with np.load(public / "golden_stylegan3.npz") as archive:
        expected = {key: value for key, value in archive.items() if key.startswith(f"{name}.")}
    with torch.no_grad():
        given = {key: value.numpy() for key, value in cases.outputs(Generator, name)}
    assert given.keys() == expected.keys()
    for key, value in given.items():
        assert value.shape == expected[key].shape
        assert np.abs(value - expected[key]).max() < min(2e-5, 5e-4 * expected[key].std()), key
