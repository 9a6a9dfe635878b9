"""Files of other projects on the command line: what opens is used like any network, what does not is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

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


COMMANDS = {
    "inspect": ("inspect", "MODEL"),
    "edit": ("edit", "MODEL", "--region", "eyes", "--out", "out.png"),
    "metrics": ("metrics", "MODEL", "--metric", "link2k"),
    "ui": ("ui", "MODEL"),
    "convert": ("convert", "MODEL", "OUT"),
    "project": ("project", "FACE", "--network", "MODEL", "--out", "OUT"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_a_file_of_another_project_is(command: str, cli: Cli, tmp_path: Path) -> None:
    files = {"MODEL": tmp_path / "model.pt", "FACE": tmp_path / "face.png", "OUT": tmp_path / "out.pt"}
    torch.save({"GAN": {"GE.x": torch.zeros(1), "SE.x": torch.zeros(1)}, "version": "1"}, files["MODEL"])
    Image.new("RGB", (32, 32)).save(files["FACE"])
    result = cli(*(files.get(word, word) for word in COMMANDS[command]))
    assert isinstance(result.exception, SystemExit)
    assert f"{files['MODEL']}: a checkpoint of stylegan2_pytorch by lucidrains" in result.output


def test_latents_are_edited(cli: Cli, public: Path, tmp_path: Path) -> None:
    torch.save({"latents": torch.randn([1, 8, 8])}, tmp_path / "face.pt")
    out, link = tmp_path / "edit.png", ("--link", "eyes=0:2@box(0,0,0.5,0.5)")
    given = ("--projection", tmp_path / "face.pt", "--region", "eyes", "--variants", "1")
    result = cli("edit", public, *link, *given, "--out", out)
    assert result.exit_code == 0, result.output
    assert out.is_file()
