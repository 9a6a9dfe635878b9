"""`linkgan bench photographs`, very small: its rows, tables, sheets and refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import LINKS, SMALL
from training_loops.formats.folder import write_dataset

QUICK = ["--kimg", 0.008, "--batch", 8, "--width", 4, "--passes", 2]
FEW = ["--photographs", 4, "--donors", 1, "--steps", 2, "--tune", 1, "--quality-kind", "attributes"]


@pytest.fixture(scope="module")
def encoder(cli, linked_snapshot, tmp_path_factory):
    out = tmp_path_factory.mktemp("encoder") / "first.safetensors"
    result = cli("encoder", "train", linked_snapshot, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def stylemap(cli, faces_zip, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "stylemap"
    size = ["--cbase", 32, "--cmax", 4, "--w-dim", 32, "--z-dim", 16, "--batch", 4, "--quiet", "--threads", 1]
    result = cli("train", "--data", faces_zip, "--run-dir", run, "--cfg", "stylemap", "--kimg", 0.004, *size)
    assert result.exit_code == 0, result.output
    return max(run.glob("network-snapshot-*.pt"))


@pytest.fixture(scope="module")
def finished(cli, linked_snapshot, faces_zip, encoder, stylemap, tmp_path_factory):
    """A study of all rows, its command and what it printed."""
    out = tmp_path_factory.mktemp("bench") / "out"
    command = ["bench", "photographs", linked_snapshot, "--data", faces_zip, "--encoder", encoder, "--out", out, *FEW]
    result = cli(*command, "--stylemap", stylemap)
    assert result.exit_code == 0, result.output
    return out, command, result


def test_every_row_is_in_the_tables(finished):
    out, _, result = finished
    text = (out / "photographs.md").read_text()
    assert text in result.output
    head, _, *lines = (line.split("|") for line in text.splitlines() if line.startswith("|"))
    assert [cell.strip() for cell in head[1:4]] == ["row", "MAE", "SSIM"]
    rows = ["drawn latents", "search W", "search W+", "search W+, tuned", "encoder, one pass", "ReStyle, all passes"]
    assert [line[1].strip() for line in lines[:8]] == [*rows, "ReStyle, tuned", "the photographs"]
    assert "## Edits: eyes" in text
    assert "## Edits: mouth" in text
    assert "eyes: StyleMapGAN pasted" in text
    report = json.loads((out / "photographs.json").read_text())
    assert report["rows"].keys() == {
        *("drawn", "search-w", "search-w+", "search-w+-tuned", "encoder", "restyle", "tune"),
    }
    assert report["pairs"].keys() == {"StyleMapGAN", "LinkGAN"}
    seconds = report["rows"]["restyle"]["closeness"]["seconds"]
    assert all(value > 0 for value in seconds)


def test_sheets_show_rows_and_pairs(finished):
    out, _, _ = finished
    sheet = Image.open(out / "photographs.png")
    assert sheet.size == ((2 + 6) * 96, 18 + 4 * 4 * 96)
    assert sheet.text["command"]
    assert Image.open(out / "pairs.png").size == ((2 + 2 * 2 * 2) * 96, 18 + 4 * 96)


def test_the_same_command_measures_nothing_again_and_other_settings_are_refused(finished, cli):
    out, command, _ = finished
    stamps = {path: path.stat().st_mtime_ns for path in (out / "rows").iterdir()}
    again = cli(*command)
    assert again.exit_code == 0, again.output
    assert {path: path.stat().st_mtime_ns for path in (out / "rows").iterdir()} == stamps
    other = cli(*command, "--donors", 2)
    assert other.exit_code == 2
    assert "drawn.json was measured with other donors; choose another --out, or remove it" in other.output


def test_two_encoders_are_two_rows(cli, linked_snapshot, faces_zip, encoder, tmp_path):
    named = ["--encoder", f"linked={encoder}", "--encoder", encoder, "--rows", "encoder"]
    result = cli("bench", "photographs", linked_snapshot, "--data", faces_zip, "--out", tmp_path / "out", *FEW, *named)
    assert result.exit_code == 0, result.output
    assert "encoder, one pass (linked)" in result.output
    assert "encoder, one pass (first)" in result.output


def test_photographs_with_classes_are_inverted_with_them(cli, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, size=[12, 16, 16, 3], dtype=np.uint8)
    write_dataset(tmp_path / "data.zip", pixels, labels=[n % 3 for n in range(12)])
    data, run = ["--data", tmp_path / "data.zip"], tmp_path / "run"
    result = cli("train", *data, "--cond", "--run-dir", run, "--kimg", 0.016, *LINKS, *SMALL)
    assert result.exit_code == 0, result.output
    network = max(run.glob("network-snapshot-*.pt"))
    few = [*FEW[:6], "--quality-images", 0, "--rows", "search-w"]
    result = cli("bench", "photographs", network, *data, "--out", tmp_path / "out", *few)
    assert result.exit_code == 0, result.output
    assert "quality" not in result.output.splitlines()[4]
    labels = json.loads((tmp_path / "out" / "inversions" / "search-w" / "project.json").read_text())["labels"]
    assert sorted(map(sum, labels)) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rows", "restyle"], "row 'restyle' needs an encoder"),
        (["--rows", "restile"], "no row 'restile'"),
        (["--encoder", "none"], "encoder 'none': expected NAME=VALUE"),
        (["--encoder", "a={encoder}", "--encoder", "a={encoder}"], "two encoders are called a"),
        (["--link", "eyes=4@eyes", "--link-space", "z"], "only links in W can edit a photograph"),
        (["--stylemap", "{network}", "--rows", "search-w"], "holds no stylemap with its encoder"),
    ],
)
def test_mistakes_are_one_line(options, message, cli, linked_snapshot, faces_zip, encoder, tmp_path):
    words = [str(word).format(encoder=encoder, network=linked_snapshot) for word in options]
    command = ["bench", "photographs", linked_snapshot, "--data", faces_zip, "--out", tmp_path / "out", *FEW]
    result = cli(*command, *words)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_rows_are_listed(cli):
    result = cli("bench", "photographs", "--list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()][:2] == ["search-w", "search-w+"]
