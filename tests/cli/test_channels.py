"""Networks of 1, 3, 4 and other channels: they are edited and projected, or refused in one line, as inspect says."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from linkgan_plugin.links import LinkSpec
from training_loops.snapshots import save_snapshot
from training_loops.stylegan2.networks import Discriminator, Generator

DIMS = {"c_dim": 0, "img_resolution": 16}
WIDTH = {"channel_base": 128, "channel_max": 8}


@pytest.fixture
def network(tmp_path):
    """Return a writer of a linked network of some channels."""

    def write(channels):
        g = Generator(z_dim=8, w_dim=8, img_channels=channels, **DIMS, **WIDTH).eval().requires_grad_(False)
        d = Discriminator(img_channels=channels, **DIMS, **WIDTH).eval().requires_grad_(False)
        spec = LinkSpec.parse(["a=4@box(0,0,1,0.5)"], dim=8).to_json()
        save_snapshot(tmp_path / "net.pt", G=g, D=d, G_ema=g, training_options={}, cur_nimg=0, link_spec=spec)
        return tmp_path / "net.pt"

    return write


@pytest.fixture
def photograph(tmp_path):
    Image.fromarray(np.full([16, 16, 3], 90, np.uint8)).save(tmp_path / "me.png")
    return tmp_path / "me.png"


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_these_are_edited_projected_and_pasted(channels, cli, network, photograph, tmp_path):
    net = network(channels)
    words = [
        ("edit", net, "--region", "a", "--seeds", "0-1", "--out", tmp_path / "sheet.png"),
        ("edit", net, "--region", "a", "--seeds", "0", "--out", tmp_path / "film.gif"),
        ("regions", "preview", "--network", net, "--out", tmp_path / "preview.png"),
        ("project", photograph, "--network", net, "--steps", 2, "--out", tmp_path / "found"),
        ("edit", net, "--projection", tmp_path / "found/me", "--paste", "--plain", "--region", "a", "--out", "{}"),
    ]
    for command in words:
        result = cli(*(str(word).format(tmp_path / "pasted.png") for word in command))
        assert result.exit_code == 0, result.output
    assert np.asarray(Image.open(tmp_path / "found/me/target.png")).tolist() == np.full([16, 16, 3], 90).tolist()
    assert (np.asarray(Image.open(tmp_path / "pasted.png"))[14:] == 90).all(), "the photograph's own pixels"
    assert "edit, project and ui" not in cli("inspect", net).output


def test_others_are_refused_in_one_line_and_inspect_says_so(cli, network, photograph, tmp_path):
    net = network(2)
    for words in (
        ("edit", net, "--out", tmp_path / "sheet.png"),
        ("project", photograph, "--network", net, "--out", tmp_path / "found"),
        ("ui", net, "--port", 0, "--keep", tmp_path / "kept"),
        ("regions", "preview", "--network", net, "--out", tmp_path / "preview.png"),
    ):
        result = cli(*words)
        assert result.exit_code == 2
        assert "Error: images of 2 channels cannot be shown, edited or projected" in result.output
        assert "Traceback" not in result.output
    assert "  edit, project and ui: no: images of 2 channels" in cli("inspect", net).output
    assert not list(tmp_path.glob("*.png")) or list(tmp_path.glob("*.png")) == [photograph]


@pytest.mark.parametrize("name", ["channels", "resolution"])
def test_metrics_compare_data_and_network_before_any_pair(name, cli, network, tmp_path, monkeypatch):
    net = network(1 if name == "channels" else 3)
    data = tmp_path / "faces.zip"
    assert cli("data", "faces", "--n", 4, "--size", 16 if name == "channels" else 8, "--out", data).exit_code == 0
    monkeypatch.setattr("linkgan_plugin.metrics.evaluate.evaluate", lambda *args, **kwargs: pytest.fail("rendered"))
    result = cli("metrics", net, "--data", data, "--pairs", 4)
    assert result.exit_code == 2
    there, own = (3, 1) if name == "channels" else (8, 16)
    assert f"has images of {name} {there}, {net} generates images of {name} {own}" in result.output


def test_a_baseline_of_another_latent_space_is_refused_before_any_pair(cli, network, tmp_path, monkeypatch):
    net = network(3)
    (tmp_path / "base").mkdir()
    g = Generator(z_dim=8, w_dim=4, img_channels=3, **DIMS, **WIDTH).eval().requires_grad_(False)
    d = Discriminator(img_channels=3, **DIMS, **WIDTH).eval().requires_grad_(False)
    other = tmp_path / "base" / "net.pt"
    save_snapshot(other, G=g, D=d, G_ema=g, training_options={}, cur_nimg=0, link_spec=None)
    monkeypatch.setattr("linkgan_plugin.metrics.evaluate.evaluate", lambda *args, **kwargs: pytest.fail("rendered"))
    result = cli("metrics", net, "--baseline", other, "--pairs", 4)
    assert result.exit_code == 2
    assert "divides 8 axes but this network has w_dim = 4" in result.output
