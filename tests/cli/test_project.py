"""`linkgan project`: a folder of projections, stopped and gone on with, that the other commands and hosts can read."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from torch import Tensor, nn

from linkgan_plugin import load_network
from linkgan_plugin.images.pixels import to_pixels
from linkgan_plugin.inversion.projected import load_projected
from linkgan_plugin.inversion.rendering import Renderer
from linkgan_plugin.inversion.stages import Inversion

QUICK = ["--steps", 3, "--tune", 2, "--batch", 2]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> list[Path]:
    """Three images of 20 x 16 pixels."""
    folder, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    paths = [folder / f"{name}.png" for name in ("anna", "bert", "cora")]
    for path in paths:
        Image.fromarray(random.integers(0, 256, [16, 20, 3], dtype=np.uint8)).save(path)
    return paths


@pytest.fixture(scope="module")
def finished(cli, photographs, linked_snapshot, tmp_path_factory) -> Path:
    """A folder of three projections, made in one go."""
    out = tmp_path_factory.mktemp("projections") / "out"
    result = cli("project", *photographs, "--network", linked_snapshot, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    assert f"wrote 3 projections to {out}" in result.output
    return out


def test_every_photograph_gets_a_folder_that_reads_back(finished, linked_snapshot, photographs):
    generator = load_network(linked_snapshot).generator
    assert sorted(path.name for path in finished.iterdir()) == [
        *("anna", "bert", "cora", "project.json", "projections.png")
    ]
    for path in photographs:
        folder = finished / path.stem
        projected = load_projected(folder, generator)
        with torch.no_grad():
            image = Renderer(projected.applied(generator)).images(projected.latents, projected.label)
        assert abs(to_pixels(image)[0].astype(int) - np.asarray(Image.open(folder / "proj.png"))).max() <= 1
        assert np.array_equal(np.asarray(Image.open(folder / "target.png")), np.asarray(Image.open(path))[:, 2:18])
        assert (folder / "tuned.safetensors").exists()


def test_the_hosts_find_what_they_look_for(finished):
    w = np.load(finished / "anna" / "projected_w.npz", allow_pickle=False)["w"]
    assert (w.dtype, w.shape) == (np.float32, (1, 6, 16))


def test_the_metrics_say_how_near_it_came_and_how_it_was_made(finished):
    found = json.loads((finished / "bert" / "metrics.json").read_text())
    assert list(found["stages"]) == ["w", "w+", "tuned"]
    error = np.asarray(Image.open(finished / "bert" / "proj.png")) / 127.5
    error -= np.asarray(Image.open(finished / "bert" / "target.png")) / 127.5
    assert found["psnr"] == pytest.approx(10 * np.log10(4 / (error**2).mean()), abs=0.05)
    assert found["stages"]["tuned"]["distance"] == found["distance"] > 0
    assert found["seconds"] == pytest.approx(sum(stage["seconds"] for stage in found["stages"].values()), abs=0.02)
    assert {"command", "seed", "steps", "label", "versions"} <= found.keys()
    assert found["sha256"].keys() == {"photograph", "network"}
    assert "lpips" not in found["stages"]["w"]


def test_one_sheet_shows_all(finished):
    sheet = Image.open(finished / "projections.png")
    assert sheet.size == (8 + 4 * (160 + 8), 28 + 3 * (160 + 18 + 8))
    assert "command" in sheet.text
    assert json.loads(Image.open(finished / "anna" / "proj.png").text["versions"])["torch"] == torch.__version__


def files_of(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.*") if path.is_file()}


def results_of(out: Path) -> dict[str, np.ndarray]:
    """All numbers in a folder of projections, and its images; not the text that holds times and commands."""
    found = {}
    for path in out.rglob("*.*"):
        name = str(path.relative_to(out))
        if path.suffix == ".npz":
            found |= {f"{name}/{key}": value for key, value in np.load(path).items()}
        elif path.suffix == ".safetensors":
            found |= {f"{name}/{key}": value for key, value in load_file(path).items()}
        elif path.suffix == ".png":
            found[name] = np.asarray(Image.open(path))
    return found


@pytest.mark.parametrize("after", [2, 7, 8])
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(
    after, cli, finished, photographs, linked_snapshot, tmp_path, monkeypatch
):
    arguments = ["project", *photographs, "--network", linked_snapshot, "--out", tmp_path / "out", *QUICK]
    real, calls = Inversion.advance, []

    def advance(inversion: Inversion) -> None:
        real(inversion)
        calls.append(inversion)
        if len(calls) == after:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Inversion, "advance", advance)
    stopped = cli(*arguments)
    assert stopped.exit_code == 130, stopped.output
    assert "resume with the same command" in stopped.output
    assert len(calls) == after
    done = {path.parent.name for path in (tmp_path / "out").glob("*/metrics.json")}
    assert done == {2: set(), 7: set(), 8: {"anna"}}[after]
    result = cli(*arguments)
    assert result.exit_code == 0, result.output
    assert len(calls) == 2 * (3 + 3) + 3 * 2  # of two batches, and of three photographs: no step was done twice
    ours, expected = results_of(tmp_path / "out"), results_of(finished)
    assert ours.keys() == expected.keys()
    assert all(np.array_equal(ours[name], expected[name]) for name in ours)
    again = cli(*arguments)
    assert again.exit_code == 0, again.output
    assert len(calls) == 18


def test_progress_that_was_damaged_costs_time_alone(cli, finished, photographs, linked_snapshot, tmp_path, monkeypatch):
    out = tmp_path / "out"
    arguments = ["project", photographs[0], "--network", linked_snapshot, "--out", out, *QUICK]
    real = Inversion.advance

    def stop(inversion: Inversion) -> None:
        real(inversion)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Inversion, "advance", stop)
    assert cli(*arguments).exit_code == 130
    monkeypatch.setattr(Inversion, "advance", real)
    (out / "progress.pt").write_bytes(b"half a fi")
    result = cli(*arguments)
    assert result.exit_code == 0, result.output
    assert not (out / "progress.pt").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--steps", "9"], "steps 3 there, 9 now"),
        (["--seed", "1", "--space", "w"], "space 'w+' there, 'w' now; seed 0 there, 1 now"),
        (["--crop", "0,0,16,16"], "crop None there, '0,0,16,16' now"),
    ],
)
def test_another_command_in_the_same_folder_is_refused(changed, message, cli, finished, photographs, linked_snapshot):
    before = files_of(finished)
    result = cli("project", *photographs, "--network", linked_snapshot, "--out", finished, *QUICK, *changed)
    assert result.exit_code == 2
    assert message in result.output
    assert "choose another --out" in result.output
    assert files_of(finished) == before


def test_other_photographs_in_the_same_folder_are_refused(cli, finished, photographs, linked_snapshot):
    result = cli("project", *photographs[:2], "--network", linked_snapshot, "--out", finished, *QUICK)
    assert result.exit_code == 2
    assert "other images (cora)" in result.output


@pytest.mark.parametrize(
    ("content", "message"), [(b'{"steps": ', "not valid JSON"), (b"\xff\xfe", "not valid JSON"), (b"[1]", "holds")]
)
def test_a_claim_that_cannot_be_read_is_one_line(content, message, cli, photographs, linked_snapshot, tmp_path):
    (tmp_path / "project.json").write_bytes(content)
    result = cli("project", photographs[0], "--network", linked_snapshot, "--out", tmp_path, *QUICK)
    assert result.exit_code == 2
    assert f"{tmp_path / 'project.json'}: {message}" in result.output
    assert "remove its folder or choose another --out" in result.output


def test_a_folder_of_something_else_is_left_alone(cli, photographs, linked_snapshot, tmp_path):
    (tmp_path / "diary.txt").write_text("dear diary")
    result = cli("project", photographs[0], "--network", linked_snapshot, "--out", tmp_path, *QUICK)
    assert result.exit_code == 2
    assert "is not empty and holds no inversions" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


class Lpips(nn.Module):
    def forward(self, images: Tensor, resize_images: bool = True, return_lpips: bool = False) -> Tensor:
        return images.flatten(1) / 1000


def test_lpips_is_minimised_and_measured_when_it_is_given(cli, photographs, linked_snapshot, tmp_path):
    torch.jit.save(torch.jit.script(Lpips()), tmp_path / "vgg16.pt")
    options = ["--lpips", tmp_path / "vgg16.pt", "--steps", 2, "--space", "w", "--no-noise"]
    refused = cli("project", photographs[0], "--network", linked_snapshot, "--out", tmp_path / "out", *options)
    assert refused.exit_code == 2
    assert "vgg16.pt is TorchScript or torch.export, whose loader runs code" in refused.output
    options += ["--trust-network", tmp_path / "vgg16.pt"]
    result = cli("project", photographs[0], "--network", linked_snapshot, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "anna" / "metrics.json").read_text())
    assert found["lpips"] == found["stages"]["w"]["lpips"] > 0
    assert found["noise"] is False
    assert np.load(tmp_path / "out" / "anna" / "projected_w.npz").files == ["w", "label"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--class", "1"], "class 1: it has no classes"),
        (["--locality", "0.1"], "set tune above 0"),
        (["--crop", "0,0,99,99"], "not inside 20 x 16"),
        (["--space", "z"], "'z' is not one of"),
        (["--lpips", "{photograph}"], "is not a TorchScript file"),
        (["--landmarks", "{photograph}"], "cannot be read as landmarks"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(options, message, cli, photographs, linked_snapshot, tmp_path):
    options = [option.format(photograph=photographs[0]) for option in options]
    out = tmp_path / "out"
    result = cli("project", photographs[0], "--network", linked_snapshot, "--out", out, *options)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not out.exists()
