"""Files of other projects on the command line: what opens is used like any network, what does not is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.cli.conftest import Cli
from tests.pickles.layouts import network, rosinality


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator in rosinality's layout, without an average."""
    path = tmp_path_factory.mktemp("in") / "public.pt"
    torch.save({"g_ema": rosinality(network())}, path)
    return path


def test_a_generator_in_rosinalitys_layout_is_linked_and_edited(cli: Cli, public: Path, tmp_path: Path) -> None:
    out = tmp_path / "edit.png"
    link = ("--link", "eyes=0:2@box(0,0,0.5,0.5)")
    result = cli("edit", public, *link, "--seeds", "0", "--region", "eyes", "--variants", "1", "--out", out)
    assert result.exit_code == 0, result.output
    assert out.is_file()


def test_what_was_drawn_is_said(cli: Cli, public: Path, tmp_path: Path) -> None:
    for command in (("inspect", public), ("convert", public, tmp_path / "out.safetensors")):
        result = cli(*command)
        assert result.exit_code == 0, result.output
        assert "the file has no latent_avg; w_avg is the mean w of 10,000 latents drawn with seed 0" in result.output
