"""`linkgan encoder`, and `linkgan project` with what it makes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linkgan_plugin import load_network, load_projected
from linkgan_plugin.inversion.encoder_files import load_encoder

QUICK = ["--kimg", 0.024, "--batch", 8, "--width", 4, "--passes", 2]


@pytest.fixture(scope="module")
def trained(cli, linked_snapshot, faces_zip, tmp_path_factory) -> tuple[Path, str]:
    """An encoder of three steps, and what the command printed."""
    out = tmp_path_factory.mktemp("encoder") / "encoder.safetensors"
    result = cli("encoder", "train", linked_snapshot, "--data", faces_zip, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    return out, result.output


@pytest.fixture(scope="module")
def detailed(cli, trained, linked_snapshot, faces_zip, tmp_path_factory) -> tuple[Path, str]:
    """That encoder with details of two steps, and what the command printed."""
    out = tmp_path_factory.mktemp("details") / "detailed.safetensors"
    given = ["--encoder", trained[0], "--data", faces_zip, "--out", out]
    result = cli("encoder", "details", linked_snapshot, *given, "--kimg", 0.016, "--batch", 8, "--width", 4)
    assert result.exit_code == 0, result.output
    return out, result.output


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> list[Path]:
    folder, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    paths = [folder / "anna.png", folder / "bert.png"]
    for path in paths:
        Image.fromarray(random.integers(0, 256, [16, 16, 3], dtype=np.uint8)).save(path)
    return paths


def test_training_writes_a_file_and_says_what_it_is_worth(trained, linked_snapshot):
    out, printed = trained
    encoder = load_encoder(out)
    encoder.check(load_network(linked_snapshot).generator)
    assert encoder.settings["link"] == 0.5
    names = {"mae_mean", "mae_pass_1", "mae_pass_2", "mahalanobis"}
    names |= {f"{link}/{change}" for link in ("eyes", "mouth") for change in ("link_change", "rest_change")}
    assert encoder.facts.keys() == names
    assert f"mae_pass_2         {encoder.facts['mae_pass_2']:.4f}" in printed
    assert "kimg 0.024  pixels " in printed
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize(("method", "stages"), [("encoder", ["encoder"]), ("restyle", ["encoder", "restyle"])])
def test_project_inverts_with_an_encoder(method, stages, cli, trained, linked_snapshot, photographs, tmp_path):
    options = ["--network", linked_snapshot, "--out", tmp_path / "out", "--method", method, "--encoder", trained[0]]
    result = cli("project", *photographs, *options)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "bert" / "metrics.json").read_text())
    assert list(found["stages"]) == stages
    assert found["sha256"].keys() == {"photograph", "network", "encoder"}
    assert np.load(tmp_path / "out" / "anna" / "projected_w.npz").files == ["w", "label"]
    again = cli("project", *photographs, *options)
    assert again.exit_code == 0, again.output


def test_project_tunes_from_an_encoder(cli, trained, linked_snapshot, photographs, tmp_path):
    out = tmp_path / "out"
    options = ["--network", linked_snapshot, "--out", out, "--method", "tune", "--encoder", trained[0], "--tune", 2]
    result = cli("project", photographs[0], *options)
    assert result.exit_code == 0, result.output
    assert list(json.loads((out / "anna" / "metrics.json").read_text())["stages"]) == ["encoder", "restyle", "tuned"]
    assert (out / "anna" / "tuned.safetensors").exists()


def test_measure_prints_errors_of_photographs(cli, trained, linked_snapshot, faces_zip):
    result = cli("encoder", "measure", linked_snapshot, "--encoder", trained[0], "--data", faces_zip, "--images", 8)
    assert result.exit_code == 0, result.output
    rows = [line.split()[0] for line in result.output.splitlines()]
    assert rows == ["mae_mean", "mae_pass_1", "mae_pass_2", "mahalanobis"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "encoder"], "method 'encoder' needs an encoder"),
        (["--encoder", "{encoder}"], "method 'search' uses no encoder"),
        (["--method", "restyle", "--encoder", "{encoder}", "--tune", 3], "method 'restyle' tunes nothing"),
        (["--method", "restyle", "--encoder", "{encoder}", "--steps", 3], "--steps: only for --method search"),
        (["--method", "encoder", "--encoder", "{photograph}"], "is not a readable .safetensors file"),
    ],
)
def test_mistakes_of_project_are_one_line(options, message, cli, trained, linked_snapshot, photographs, tmp_path):
    words = [str(word).format(encoder=trained[0], photograph=photographs[0]) for word in options]
    result = cli("project", photographs[0], "--network", linked_snapshot, "--out", tmp_path / "out", *words)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "encoder.pt"], "expected a name that ends in .safetensors"),
        (["--out", "x.safetensors", "--class", 1], "it has no classes"),
        (["--out", "x.safetensors", "--batch", 6], "batch is 6, expected a multiple of 4"),
    ],
)
def test_mistakes_of_train_are_one_line(options, message, cli, linked_snapshot, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = cli("encoder", "train", linked_snapshot, *options)
    assert result.exit_code == 2
    assert message in result.output
    assert not any(tmp_path.iterdir())


def test_details_are_stored_beside_the_encoder_and_measured(cli, trained, detailed, linked_snapshot, faces_zip):
    out, printed = detailed
    encoder = load_encoder(out)
    encoder.check(load_network(linked_snapshot).generator)
    assert encoder.facts == load_encoder(trained[0]).facts
    details = encoder.required_details
    assert (details.settings["edit"], details.network.shape.size, details.network.shape.before) == (1.0, 8, 1)
    names = ["mae_mean", "mae_pass_1", "mae_pass_2", "mahalanobis", "mae_details"]
    for what in ("outside", "edit"):
        names += [f"{link}/{what}{with_}" for link in ("eyes", "mouth") for with_ in ("", "_details")]
    assert list(details.facts) == names
    assert f"mae_details            {details.facts['mae_details']:.4f}" in printed
    result = cli("encoder", "measure", linked_snapshot, "--encoder", out, "--data", faces_zip, "--images", 8)
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.output.splitlines()] == names


def test_project_and_edit_keep_details(cli, detailed, linked_snapshot, photographs, tmp_path):
    encoder = ["--encoder", detailed[0]]
    options = ["--network", linked_snapshot, "--out", tmp_path / "out", "--method", "details", *encoder]
    result = cli("project", photographs[0], *options)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "out" / "anna"
    found = json.loads((folder / "metrics.json").read_text())
    assert list(found["stages"]) == ["encoder", "restyle", "details"]
    assert found["psnr"] == found["stages"]["details"]["psnr"] != found["stages"]["restyle"]["psnr"]
    assert load_projected(folder, load_network(linked_snapshot).generator).detailed
    edit = ["edit", linked_snapshot, "--projection", folder, "--region", "eyes", "--plain"]
    kept = cli(*edit, *encoder, "--out", tmp_path / "kept.png")
    assert (kept.exit_code, kept.stderr.count("Warning")) == (0, 0), kept.output
    lost = cli(*edit, "--out", tmp_path / "lost.png")
    assert lost.exit_code == 0, lost.output
    assert "anna was made with details, which are lost without --encoder FILE" in lost.stderr
    images = [np.asarray(Image.open(tmp_path / name)) for name in ("kept.png", "lost.png")]
    assert (images[0] != images[1]).any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["project", "{photograph}", "--network", "{net}", "--method", "details"], "method 'details' needs an encoder"),
        (
            ["project", "{photograph}", "--network", "{net}", "--method", "details", "--encoder", "{encoder}"],
            "this encoder has no details; train them with `linkgan encoder details`",
        ),
        (["edit", "{net}", "--encoder", "{encoder}"], "give its --projection too"),
        (["encoder", "details", "{net}", "--encoder", "{encoder}", "--size", 5], "those it has: 4, 8, 16"),
        (["encoder", "details", "{net}", "--encoder", "{photograph}"], "is not a readable .safetensors file"),
    ],
)
def test_mistakes_with_details_are_one_line(words, message, cli, trained, linked_snapshot, photographs, tmp_path):
    names = {"encoder": trained[0], "photograph": photographs[0], "net": linked_snapshot}
    out = tmp_path / ("sheet.png" if words[0] == "edit" else "x.safetensors")
    result = cli(*(str(word).format(**names) for word in words), "--out", out)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert not out.exists()


def test_an_existing_encoder_is_kept(cli, trained, linked_snapshot):
    result = cli("encoder", "train", linked_snapshot, "--out", trained[0], *QUICK)
    assert result.exit_code == 2
    assert "overwrite it with --force" in result.output
