"""`linkgan segment train`, and what becomes of its network in other commands."""

from __future__ import annotations

from pathlib import Path

from linkgan_plugin.generators import spec_of
from linkgan_plugin.networks import load_network
from tests.cli.conftest import SMALL, Cli
from training_loops.data.face_files import write_faces


def test_a_trained_network_makes_regions_for_training_and_measuring(cli: Cli, tmp_path: Path) -> None:
    data, masks, parts = (tmp_path / name for name in ("faces.zip", "masks.zip", "parts.pt"))
    write_faces(data, 64, 16, seed=0, masks=masks)
    result = cli("segment", "train", "--data", data, "--masks", masks, "--out", parts, "--steps", 3)
    assert result.exit_code == 0, result.output
    assert "hair             intersection over union 0." in result.output
    link = f"hair=4@semantic({parts},hair)"
    run = tmp_path / "run"
    result = cli("train", "--data", data, "--run-dir", run, "--kimg", 0.016, "--link", link, "--link-start", 0, *SMALL)
    assert result.exit_code == 0, result.output
    snapshot = max(run.glob("network-snapshot-*.pt"))
    assert str(spec_of(load_network(snapshot).generator).links[0]) == f"hair=0:4@semantic({parts},hair)"
    result = cli("metrics", snapshot, "--pairs", 8, "--quality-images", 0)
    assert result.exit_code == 0, result.output
    parts.unlink()
    result = cli("metrics", snapshot, "--pairs", 8, "--quality-images", 0)
    assert result.exit_code == 2
    assert f"no segmentation network '{parts}'" in result.output


def test_a_file_that_exists_is_kept(cli: Cli, tmp_path: Path) -> None:
    data, masks, parts = (tmp_path / name for name in ("faces.zip", "masks.zip", "parts.pt"))
    write_faces(data, 16, 16, seed=0, masks=masks)
    parts.write_text("precious")
    command = ("segment", "train", "--data", data, "--masks", masks, "--out", parts, "--steps", 1)
    result = cli(*command)
    assert result.exit_code == 2
    assert f"{parts} exists; choose another name, or write over it with --force" in result.output
    assert parts.read_text() == "precious"
    assert cli(*command, "--force").exit_code == 0
    assert parts.read_bytes()[:2] == b"PK"


def test_what_does_not_fit_is_refused(cli: Cli, tmp_path: Path) -> None:
    write_faces(tmp_path / "faces.zip", 4, 16, seed=0, masks=tmp_path / "masks.zip")
    result = cli(
        *("segment", "train", "--data", tmp_path / "faces.zip", "--masks", tmp_path / "masks.zip"),
        *("--classes", "a,b", "--out", tmp_path / "parts.pt"),
    )
    assert result.exit_code == 2
    assert "only 2 classes are named" in result.output
    assert not (tmp_path / "parts.pt").exists()
