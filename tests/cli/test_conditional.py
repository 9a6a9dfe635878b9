"""Commands on a class-conditional network: its classes are asked for, never made up."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from linkgan_plugin.networks import load_network
from tests.cli.conftest import LINKS, SMALL
from training_loops.formats.folder import write_dataset


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """24 images of three classes."""
    path = tmp_path_factory.mktemp("data") / "labelled.zip"
    pixels = np.random.default_rng(0).integers(0, 256, size=[24, 16, 16, 3], dtype=np.uint8)
    write_dataset(path, pixels, labels=[n % 3 for n in range(24)])
    return path


@pytest.fixture(scope="module")
def snapshot(cli, labelled, tmp_path_factory):
    """A conditional network whose data set, as it is recorded, is a pipe that nobody writes to."""
    run = tmp_path_factory.mktemp("runs") / "run"
    pipe = run.with_name("pipe.zip")
    result = cli("train", "--data", labelled, "--cond", "--run-dir", run, "--kimg", 0.032, *LINKS, *SMALL)
    assert result.exit_code == 0, result.output
    path = max(run.glob("network-snapshot-*.pt"))
    data = torch.load(path, weights_only=True)
    options = json.loads(data["training_options"])
    options["training_set_kwargs"]["path"] = str(pipe)
    torch.save({**data, "training_options": json.dumps(options)}, path)
    os.mkfifo(pipe)
    return path


QUICK = ("--pairs", 8, "--quality-images", 0)
COMMANDS = {
    "metrics": ("metrics", "{net}", *QUICK),
    "edit": ("edit", "{net}", "--seeds", "0", "--out", "{folder}/x.png"),
    "bench": ("bench", "metrics", "{net}", "--pairs", 4, "--rounds", 1, "--out", "{folder}/bench", "--force"),
    "preview": ("regions", "preview", "--network", "{net}", "--out", "{folder}/p.png"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_labels_are_asked_for_and_taken_from_data_or_a_class(name, cli, snapshot, labelled, tmp_path):
    words = [str(word).format(net=snapshot, folder=tmp_path) for word in COMMANDS[name]]
    refused = cli(*words)
    assert refused.exit_code == 2
    assert "takes labels of 3 classes; give data that has them with --data DATA" in refused.output
    assert "--class N (0 to 2)" in refused.output
    wrong = cli(*words, "--class", 3)
    assert wrong.exit_code == 2
    assert "class 3: this network has 0 to 2" in wrong.output
    result = cli(*words, "--class", 1)
    assert result.exit_code == 0, result.output
    for place in tmp_path.glob("*.png"):
        place.unlink()
    result = cli(*words, "--data", labelled)
    assert result.exit_code == 0, result.output


def test_the_page_asks_for_labels_too(cli, snapshot, tmp_path):
    result = cli("ui", snapshot, "--keep", tmp_path, "--port", 0)
    assert result.exit_code == 2
    assert "--data DATA" in result.output
    assert "--class N (0 to 2)" in result.output


def test_the_class_decides_what_is_rendered(cli, snapshot, tmp_path):
    generator = load_network(snapshot).generator
    images = []
    for number in (0, 1):
        out = tmp_path / f"{number}.png"
        words = ("--class", number, "--seeds", 3, "--region", "eyes", "--plain", "--strength", 0, "--out", out)
        assert cli("edit", snapshot, *words).exit_code == 0
        z = torch.from_numpy(np.random.RandomState(3).randn(1, 16)).float()
        image = generator(z, torch.eye(3)[[number]], noise_mode="const")
        expected = ((image + 1) * 127.5).round().clamp(0, 255).byte()[0].permute(1, 2, 0).numpy()
        images.append(np.asarray(Image.open(out)))
        assert np.abs(images[-1].astype(int) - expected.astype(int)).max() <= 1
    assert not np.array_equal(*images)


def test_a_class_and_data_of_classes_contradict_each_other(cli, snapshot, labelled, tmp_path):
    result = cli("edit", snapshot, "--class", 1, "--data", labelled, "--out", tmp_path / "x.png")
    assert result.exit_code == 2
    assert "--class and --data do not go together" in result.output


def test_photographs_need_their_class(cli, snapshot, labelled, tmp_path):
    photograph = tmp_path / "me.png"
    Image.new("RGB", (16, 16)).save(photograph)
    result = cli("project", photograph, "--network", snapshot, "--steps", 1, "--out", tmp_path / "found")
    assert result.exit_code == 2
    assert "this network has 3 classes; give that of the photographs with --class N" in result.output
    np.savez(tmp_path / "w.npz", w=np.zeros([1, 1, 16], np.float32))
    words = ("edit", snapshot, "--projection", tmp_path / "w.npz", "--out", tmp_path / "x.png")
    result = cli(*words, "--data", labelled)
    assert result.exit_code == 2, "no class of some other image is taken for the photograph's"
    assert "does not name the class" in result.output
    assert cli(*words, "--class", 2).exit_code == 0
