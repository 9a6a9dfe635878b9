"""`linkgan convert`: nothing is overwritten unasked, and training goes on from the result."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from linkgan_plugin.networks import load_network
from tests.cli.conftest import Cli
from tests.pickles.test_native import D_KWARGS, DIMS, WIDTH, filled, generator
from tests.pickles.written import snapshot_bytes, stored
from training_loops.stylegan2.networks import Discriminator


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A host's snapshot of an unconditional generator."""
    path = tmp_path / "network.pkl"
    G = stored(filled(generator().__class__(**{**DIMS, "c_dim": 0}, **WIDTH)), {**DIMS, "c_dim": 0, **WIDTH})
    D = filled(Discriminator(**{**D_KWARGS, "c_dim": 0}))
    path.write_bytes(snapshot_bytes(G=G, D=stored(D, {**D_KWARGS, "c_dim": 0}), G_ema=G))
    return path


def test_a_file_that_exists_is_kept(cli: Cli, snapshot: Path, tmp_path: Path) -> None:
    target = tmp_path / "network.safetensors"
    target.write_text("precious")
    result = cli("convert", snapshot, target)
    assert result.exit_code == 2
    assert f"{target} exists; choose another name, or overwrite it with --force" in result.output
    assert target.read_text() == "precious"
    result = cli("convert", snapshot, target, "--force")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"wrote {target} (")
    assert "G (Generator), D (Discriminator), G_ema (Generator)" in result.output
    assert load_network(target).generator.w_dim == 8


def test_a_failed_conversion_leaves_what_was_there(cli: Cli, snapshot: Path, tmp_path: Path) -> None:
    target = tmp_path / "network.safetensors"
    target.write_text("precious")
    snapshot.write_bytes(snapshot.read_bytes()[:-100])
    assert cli("convert", snapshot, target, "--force").exit_code == 2
    assert target.read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"network.pkl", "network.safetensors"}


def test_a_pickle_needs_the_hosts_folder(cli: Cli, snapshot: Path, tmp_path: Path) -> None:
    result = cli("convert", snapshot, tmp_path / "other.pkl")
    assert result.exit_code == 2
    assert "a pickle contains the source of the host's classes" in result.output
    assert "--host DIR" in result.output


def test_training_goes_on_from_a_hosts_snapshot(cli: Cli, snapshot: Path, faces_zip: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.pt"
    assert cli("convert", snapshot, start).exit_code == 0
    run = tmp_path / "run"
    short = ("--kimg", 0.016, "--batch", 8, "--quiet", "--threads", 1)
    result = cli("train", "--data", faces_zip, "--run-dir", run, "--resume", start, *short)
    assert result.exit_code == 0, result.output
    before, after = load_network(start).generator, load_network(max(run.glob("network-snapshot-*.pt"))).generator
    moved = (after.synthesis.b16.conv1.weight - before.synthesis.b16.conv1.weight).abs().max()
    assert 0 < moved < 0.1
    assert torch.equal(after.synthesis.b16.resample_filter, before.synthesis.b16.resample_filter)


def test_links_beside_a_pickle_are_kept(cli: Cli, snapshot: Path, tmp_path: Path) -> None:
    links = tmp_path / "other.links.json"
    links.write_text("precious")
    result = cli("convert", snapshot, tmp_path / "other.pkl", "--host", tmp_path)
    assert result.exit_code == 2
    assert f"{links} exists; choose another name" in result.output
    assert links.read_text() == "precious"
