"""Fixtures for the hosts' tests: one thread, because many tiny operations on several threads only wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training_loops.runs import options_of
from training_loops.formats.folder import write_dataset


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty 8x8 images in three classes."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "tiny.zip"
    write_dataset(path, rng.integers(0, 256, size=[30, 8, 8, 3], dtype=np.uint8), labels=[i % 3 for i in range(30)])
    return path


@pytest.fixture
def tiny_options(tiny_data: Path) -> dict[str, Any]:
    """Options of a run of ten steps that takes well under a second."""
    options = options_of(
        cfg="tiny", data=tiny_data, batch=8, cbase=64, cmax=8, z_dim=8, w_dim=8, kimg=0.08, tick=0.016, snap=2
    )
    return {**options, "image_grid": [4, 2]}
