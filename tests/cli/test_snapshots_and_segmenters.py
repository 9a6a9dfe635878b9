"""Snapshots whose links name a network: reading them opens nothing, whatever they name."""

from __future__ import annotations

import base64
import json

import pytest
import torch

from linkgan_plugin.cli import main
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles.convert import convert
from linkgan_plugin.pickles.describe import describe
from linkgan_plugin.regions.base import Scene
from linkgan_plugin.segmentation import named
from linkgan_plugin.segmentation.segmenter import Card
from tests.segmentation.networks import CLASSES, script


def spec_naming(source, card=True):
    spec = {
        "version": 1,
        "space": "w",
        "dim": 16,
        "allow_overlap": False,
        "links": [{"name": "light", "axes": [[0, 2]], "region": f'semantic("{source}",light)'}],
    }
    if card:
        text = Card(CLASSES, "0" * 64).to_json().encode()
        spec["links"][0]["files"] = {f"{source}#card": base64.b64encode(text).decode()}
    return spec


@pytest.fixture
def snapshot(linked_snapshot, tmp_path):
    """Return a maker of snapshots of a kind with any spec, which names the snapshot itself."""

    def make(suffix=".safetensors", **options):
        path = tmp_path / f"net{suffix}"
        data = torch.load(linked_snapshot, weights_only=True)
        data["link_spec"] = json.dumps(spec_naming(path, **options))
        torch.save(data, tmp_path / "edited.pt")
        if suffix == ".pt":
            (tmp_path / "edited.pt").rename(path)
        else:
            convert(tmp_path / "edited.pt", path)
        return path

    return make


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("read", [load_network, describe])
def test_reading_a_snapshot_opens_the_snapshot_alone(snapshot, audited, suffix, read):
    path = snapshot(suffix)
    read(path)  # what is imported is imported
    with audited() as opened:
        read(path)
    assert set(opened) <= {str(path)}


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_spec_without_a_card_opens_nothing_else(snapshot, audited, suffix):
    path = snapshot(suffix, card=False)
    with pytest.raises(LinkGANError, match="#card' is not embedded in 'files'"):
        load_network(path)
    with audited() as opened, pytest.raises(LinkGANError):
        load_network(path)
    assert set(opened) <= {str(path)}
    found = describe(path)
    assert found["links"][0].startswith("not readable: link 'light': the file ")


def test_links_beside_a_snapshot_open_nothing(snapshot, audited, tmp_path):
    path = snapshot()
    evil = script(tmp_path / "evil.pt", trusted=False, classes=CLASSES)
    (tmp_path / "net.links.json").write_text(json.dumps({"link_spec": spec_naming(evil)}))
    load_network(path)
    with audited() as opened:
        load_network(path)
    assert str(evil) not in opened


def test_every_command_says_so_in_one_line(cli, snapshot, tmp_path):
    path = snapshot()
    out = tmp_path / "out.png"
    for command in (
        ("edit", path, "--region", "light", "--seeds", 0, "--out", out),
        ("metrics", path, "--pairs", 2, "--quality-images", 0),
        ("regions", "preview", "--network", path, "--out", out),
    ):
        result = cli(*command)
        assert result.exit_code == 2, result.output
        line = result.output.strip().splitlines()[-1]
        message = f"the links use the segmentation network '{path}' (SHA-256 {'0' * 12}...)"
        assert line.startswith(f"Error: {message}"), result.output
        assert "--segmenter net.safetensors=FILE" in line
    assert not out.exists()


def test_naming_the_snapshot_itself_is_no_way_around(cli, snapshot, tmp_path):
    path = snapshot()
    result = cli("metrics", path, "--pairs", 2, "--quality-images", 0, "--segmenter", f"net.safetensors={path}")
    assert result.exit_code == 2
    assert "the file does not describe its network" in result.output


def test_an_old_spec_of_torchscript_loads_and_says_what_to_name(tmp_path):
    spec = LinkSpec.from_json(spec_naming("elsewhere/parts.pt"))
    assert spec.names == ("light",)
    scene = Scene(torch.zeros(1, 3, 8, 8))
    with pytest.raises(LinkGANError, match=r"'elsewhere/parts\.pt' .*--segmenter parts\.pt=FILE"):
        spec.region_masks(scene)
    named.name("parts.pt", script(tmp_path / "parts.pt", trusted=False, classes=CLASSES))
    with pytest.raises(LinkGANError, match=r"segment export`, or, if you trust .*--trust-network"):
        LinkSpec.from_json(spec_naming("elsewhere/parts.pt")).region_masks(scene)


def test_a_command_forgets_what_the_last_one_named(cli, snapshot, tmp_path):
    named.name("parts.pt", tmp_path)
    assert main.callback is not None
    cli("inspect", snapshot())
    assert named.path_of("parts.pt") is None
