"""`linkgan segment train`, and what becomes of its network in other commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from linkgan_plugin.checksum import file_digest
from linkgan_plugin.network_links import spec_of
from linkgan_plugin.networks import load_network
from linkgan_plugin.segmentation.architectures.dilated import fcn
from linkgan_plugin.segmentation.files import open_segmenter
from tests.cli.conftest import SMALL, Cli
from training_loops.data.face_files import write_faces
from training_loops.data.faces import PARTS


def test_a_trained_network_makes_regions_for_training_and_measuring(cli: Cli, tmp_path: Path) -> None:
    data, masks, parts = (tmp_path / name for name in ("faces.zip", "masks.zip", "parts.safetensors"))
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
    metrics = ("metrics", snapshot, "--pairs", 8, "--quality-images", 0)
    digest = file_digest(parts)
    result = cli(*metrics)
    assert result.exit_code == 2
    assert f"'{parts}' (SHA-256 {digest[:12]}...)" in result.output
    assert "--segmenter parts.safetensors=FILE" in result.output
    moved = parts.rename(tmp_path / "moved.safetensors")
    by_name = cli(*metrics, "--json", "--segmenter", f"parts.safetensors={moved}")
    by_source = cli(*metrics, "--json", "--segmenter", f"{parts}={moved}")
    assert (by_name.exit_code, by_source.exit_code) == (0, 0), by_name.output + by_source.output
    results = [json.loads(result.stdout)["results"] for result in (by_name, by_source)]
    assert results[0] == results[1]
    result = cli("edit", snapshot, "--region", "hair", "--seeds", 0, "--out", tmp_path / "a.png")
    assert result.exit_code == 2
    assert "--segmenter parts.safetensors=FILE" in result.output
    # The user's own run repeats what was named in it, until the network has moved.
    result = cli("train", "--continue", run, "--kimg", 0.08, "--quiet", "--metrics", "")
    assert result.exit_code == 2
    assert f"no segmentation network '{parts}': no such file" in result.output
    result = cli("train", "--continue", run, "--kimg", 0.08, "--quiet", "--segmenter", f"{parts}={moved}")
    assert result.exit_code == 0, result.output
    moved.rename(parts)
    result = cli("train", "--continue", run, "--kimg", 0.096, "--quiet")
    assert result.exit_code == 0, result.output


def test_a_file_that_exists_is_kept(cli: Cli, tmp_path: Path) -> None:
    data, masks, parts = (tmp_path / name for name in ("faces.zip", "masks.zip", "parts.safetensors"))
    write_faces(data, 64, 16, seed=0, masks=masks)
    parts.write_text("precious")
    command = ("segment", "train", "--data", data, "--masks", masks, "--out", parts, "--steps", 1)
    result = cli(*command)
    assert result.exit_code == 2
    assert f"{parts} exists; choose another name, or overwrite it with --force" in result.output
    assert parts.read_text() == "precious"
    assert cli(*command, "--force").exit_code == 0
    assert open_segmenter(parts).card.classes == tuple(PARTS)


def test_what_does_not_fit_is_refused(cli: Cli, tmp_path: Path) -> None:
    write_faces(tmp_path / "faces.zip", 4, 16, seed=0, masks=tmp_path / "masks.zip")
    result = cli(
        *("segment", "train", "--data", tmp_path / "faces.zip", "--masks", tmp_path / "masks.zip"),
        *("--classes", "a,b", "--out", tmp_path / "parts.safetensors"),
    )
    assert result.exit_code == 2
    assert "only 2 classes are named" in result.output
    assert not (tmp_path / "parts.safetensors").exists()


def test_a_name_with_another_ending_is_refused(cli: Cli, tmp_path: Path) -> None:
    write_faces(tmp_path / "faces.zip", 4, 16, seed=0, masks=tmp_path / "masks.zip")
    zips = ("--data", tmp_path / "faces.zip", "--masks", tmp_path / "masks.zip")
    result = cli("segment", "train", *zips, "--out", tmp_path / "parts.pt")
    assert result.exit_code == 2
    assert "parts.pt: expected a name that ends in .safetensors" in result.output


def test_weights_are_exported(cli: Cli, tmp_path: Path) -> None:
    torch.save(fcn(50, 2).state_dict(), tmp_path / "w.pth")
    out = tmp_path / "out.safetensors"
    command = ("segment", "export", tmp_path / "w.pth", "--architecture", "fcn_resnet50", "--out", out, "--force")
    result = cli(*command, "--classes", "a, b", "--size", "48,64", "--mean", "0.1,0.2,0.3")
    assert result.exit_code == 0, result.output
    assert f"wrote {out} (13" in result.output
    card = open_segmenter(out).card
    assert (card.classes, card.size, card.mean, card.std) == (
        ("a", "b"),
        (48, 64),
        (0.1, 0.2, 0.3),
        (0.229, 0.224, 0.225),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--classes", "a,b,c"), "classifier.4.weight is float32 [2, 512, 1, 1], expected float32 [3, 512, 1, 1]"),
        (("--classes", "a,a"), "two classes have the name 'a'"),
        (("--classes", "a,b", "--architecture", "resnet"), "no architecture 'resnet'"),
        (("--classes", "a,b", "--mean", "x"), "'x' is not three numbers"),
        (("--classes", "a,b", "--mean", "1,2"), "expected three numbers"),
        (("--classes", "a,b", "--std", "0,1,1"), "expected numbers above 0"),
        (("--classes", "a,b", "--size", "1,2,3"), "'1,2,3' is not a size"),
        (("--classes", "a,b", "--size", "0"), "expected [height, width]"),
    ],
)
def test_weights_and_options_that_do_not_fit_are_named(
    cli: Cli, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    with torch.device("meta"):
        state = fcn(50, 2).state_dict()
    torch.save({name: torch.zeros(t.shape, dtype=t.dtype) for name, t in state.items()}, tmp_path / "w.pth")
    out = tmp_path / "out.safetensors"
    result = cli("segment", "export", tmp_path / "w.pth", "--architecture", "fcn_resnet50", "--out", out, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not out.exists()
