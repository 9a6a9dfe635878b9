"""Names, shapes and outputs equal those of the public R3GAN networks: stored ones and, with LINKGAN_HOSTS, live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.training_loops.r3gan import golden_cases as cases
from tests.training_loops.r3gan import host_outputs
from training_loops.r3gan.networks import Discriminator, Generator

HERE = Path(__file__).parent
REAL = Path(os.environ.get("LINKGAN_HOSTS", "")) / "R3GAN"
_IF_REAL = pytest.mark.skipif(not REAL.is_dir(), reason="LINKGAN_HOSTS does not lead to an R3GAN")
OURS = {"G": Generator, "D": Discriminator}


@pytest.fixture(scope="module", params=["stored", pytest.param("live", marks=_IF_REAL)])
def public(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the public outputs: as stored here, or made now by the checkout in LINKGAN_HOSTS."""
    if request.param == "stored":
        return HERE
    folder = tmp_path_factory.mktemp("public")
    command = [sys.executable, "-m", host_outputs.__name__, str(REAL), str(folder)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[3])
    return folder


@pytest.mark.parametrize("name", ["labels", "kernels"])
@pytest.mark.parametrize("letter", ["G", "D"])
def test_names_order_and_shapes_are_those_of_public_snapshots(public: Path, name: str, letter: str) -> None:
    expected = json.loads((public / "public_names.json").read_text())[f"{name}.{letter}"]
    assert cases.tensor_names(OURS[letter](**cases.kwargs(name, letter))) == expected


@pytest.mark.parametrize("name", cases.CASES)
def test_networks_give_the_public_outputs(public: Path, name: str) -> None:
    with np.load(public / "golden_r3gan.npz") as archive:
        expected = {key: value for key, value in archive.items() if key.startswith(f"{name}.")}
    given = {key: value.numpy() for key, value in cases.outputs(OURS, name)}
    assert given.keys() == expected.keys()
    for key, value in given.items():
        assert value.shape == expected[key].shape
        # bfloat16 keeps 8 bits; in float32 the largest difference seen was 4e-7 of the largest value.
        share = 0.02 if name == "half" else 5e-6
        assert np.abs(value - expected[key]).max() <= share * np.abs(expected[key]).max(), key
        assert np.abs(expected[key]).max() > 0.1
