"""Names, shapes and outputs equal those of the public EG3D networks.

What they gave is stored here; with LINKGAN_HOSTS naming a folder that holds eg3d, they are also run anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training_loops.eg3d import golden_cases as cases
from training_loops.eg3d import networks

HERE = Path(__file__).parent
REAL = Path(os.environ.get("LINKGAN_HOSTS", "")) / "eg3d" / "eg3d"
TOLERANCE = 1e-4  # of images with values up to 9

needs_real = pytest.mark.skipif(not (REAL / "train.py").is_file(), reason="LINKGAN_HOSTS does not lead to an eg3d")


@pytest.fixture(scope="module", params=["stored", pytest.param("live", marks=needs_real)])
def public(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what the public networks gave."""
    if request.param == "stored":
        return HERE
    folder = tmp_path_factory.mktemp("eg3d")
    command = [sys.executable, "-m", "tests.training_loops.eg3d.host_outputs", str(REAL), str(folder)]
    subprocess.run(command, cwd=HERE.parents[2], check=True)
    return folder


@pytest.fixture(scope="module")
def golden(public: Path) -> dict[str, np.ndarray]:
    with np.load(public / "golden_eg3d.npz") as archive:
        return dict(archive)


@pytest.fixture(autouse=True)
def _without_gradients() -> Any:
    with torch.no_grad():
        yield


def test_names_order_and_shapes_are_those_of_public_snapshots(public: Path) -> None:
    expected = json.loads((public / "public_names.json").read_text())
    arguments = {"TriPlaneGenerator": cases.generator_kwargs("cars")}
    arguments |= {f"SuperresolutionHybrid{name}": cases.head_kwargs(name) for name in cases.HEADS}
    arguments |= {
        kind: cases.discriminator_kwargs(name, cases.LABELS) for name, (kind, _) in cases.DISCRIMINATORS.items()
    }
    assert set(arguments) == set(expected)
    for kind, kwargs in arguments.items():
        net = getattr(networks, kind)(**kwargs)
        # As text, which has an order.
        assert json.dumps(cases.names(net)) == json.dumps(expected[kind]), kind
        assert set(net.state_dict()) == {name for tensors in expected[kind].values() for name in tensors}
        assert all(tensor.dtype == torch.float32 for tensor in net.state_dict().values())


@pytest.mark.parametrize("name", cases.GENERATORS)
def test_generator_gives_the_public_outputs(golden: dict[str, np.ndarray], name: str) -> None:
    _assert_equal(cases.generator_outputs(networks.TriPlaneGenerator, name), golden, f"G.{name}.")


@pytest.mark.parametrize("name", cases.HEADS)
def test_super_resolution_gives_the_public_images(golden: dict[str, np.ndarray], name: str) -> None:
    make = getattr(networks, f"SuperresolutionHybrid{name}")
    _assert_equal(cases.head_outputs(make, name), golden, f"S.{name}.")


@pytest.mark.parametrize("c_dim", [0, cases.LABELS])
@pytest.mark.parametrize("name", cases.DISCRIMINATORS)
def test_discriminator_gives_the_public_logits(golden: dict[str, np.ndarray], name: str, c_dim: int) -> None:
    make = getattr(networks, cases.DISCRIMINATORS[name][0])
    _assert_equal(cases.discriminator_outputs(make, name, c_dim), golden, f"D.{name}.{c_dim}.")


def test_resizing_gives_the_public_images(golden: dict[str, np.ndarray]) -> None:
    _assert_equal(cases.resizing_outputs(networks.filtered_resizing), golden, "resize.")


def _assert_equal(outputs: Iterable[tuple[str, Tensor]], golden: dict[str, np.ndarray], prefix: str) -> None:
    given = {prefix + key: value.numpy() for key, value in outputs}
    assert set(given) == {key for key in golden if key.startswith(prefix)}
    for key, value in given.items():
        assert value.shape == golden[key].shape, key
        assert np.abs(value - golden[key]).max() < TOLERANCE, key
