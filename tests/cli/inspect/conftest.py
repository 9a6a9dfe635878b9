"""Fixtures of the tests of `linkgan inspect`: a host's snapshot whose source counts as known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from linkgan_plugin.pickles import known_sources
from linkgan_plugin.pickles.nodes import digest
from tests.pickles.test_convert import SPEC
from tests.pickles.test_native import ADA, D_KWARGS, DIMS, WIDTH, filled, generator
from tests.pickles.written import META, snapshot_bytes, stored
from training_loops.stylegan2.networks import Discriminator


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source in the tests' snapshots counts as that of a public host."""
    origin = {digest(META["module_src"]): "NVlabs/stylegan3 training/networks_stylegan2.py"}
    monkeypatch.setattr(known_sources, "_known", lambda: origin)


class AugmentPipe(nn.Module):
    """Stands for a host's augmentations: all that is of interest is their probability."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("p", torch.tensor(0.25))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host's snapshot with links and augmentations."""
    path = tmp_path_factory.mktemp("in") / "network.pkl"
    kwargs = {**DIMS, "synthesis_kwargs": WIDTH}
    G = stored(generator(**ADA), kwargs, link_spec=SPEC)
    D = filled(Discriminator(**D_KWARGS))
    path.write_bytes(snapshot_bytes(G=G, D=stored(D, D_KWARGS), G_ema=G, augment_pipe=stored(AugmentPipe())))
    return path
