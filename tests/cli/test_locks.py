"""Two processes in one folder, and runs whose data changed: real commands."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cli.conftest import SMALL
from training_loops.formats.folder import write_dataset
from training_loops.formats.lock import LOCK_FILE, locked


def linkgan(*words, **options):
    command = [sys.executable, "-m", "linkgan_plugin", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def waited(process):
    return process.wait(), process.stdout.read()


def test_a_second_process_does_not_train_in_a_run_and_a_killed_one_frees_it(cli, faces_zip, tmp_path):
    run = tmp_path / "run"
    first = linkgan("train", "--data", faces_zip, "--run-dir", run, "--kimg", 100, "--tick", 0.008, "--snap", 1, *SMALL)
    try:
        while not (run / "training_options.json").exists():
            assert first.poll() is None, first.stdout.read()
            time.sleep(0.05)
        code, text = waited(linkgan("train", "--continue", run, "--quiet"))
        assert code == 2
        assert f"in use by process {first.pid} on" in text
        assert "Traceback" not in text
    finally:
        first.kill()
        first.wait()
    assert (run / LOCK_FILE).exists(), "it was killed"
    images = torch.load(run / "training-state.pt", weights_only=True)["progress"]["cur_nimg"]
    code, text = waited(linkgan("train", "--continue", run, "--quiet", "--kimg", (images + 8) / 1000))
    assert code == 0, text
    assert f"taken over from process {first.pid}" in text
    assert not (run / LOCK_FILE).exists()


@pytest.mark.parametrize("command", ["project", "demo", "bench recipes"])
def test_the_other_long_jobs_keep_to_one_process_too(command, cli, linked_snapshot, tmp_path):
    photograph, out = tmp_path / "me.png", tmp_path / "out"
    Image.new("RGB", (16, 16)).save(photograph)
    words = {
        "project": ("project", photograph, "--network", linked_snapshot, "--steps", 1),
        "demo": ("demo", "--quick"),
        "bench recipes": ("bench", "recipes", "--rows", "unlinked", "--seeds", 0),
    }[command]
    with locked(out):
        result = cli(*words, "--out", out)
    assert result.exit_code == 2
    assert f"{out} is in use by process" in result.output
    assert list(out.iterdir()) == []


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, size=[24, 16, 16, 3], dtype=np.uint8)


@pytest.fixture
def stopped(cli, pixels, tmp_path):
    """A run, and its data."""
    data, run = tmp_path / "data.zip", tmp_path / "run"
    write_dataset(data, pixels)
    result = cli("train", "--data", data, "--run-dir", run, "--kimg", 0.016, *SMALL)
    assert result.exit_code == 0, result.output
    return run, data


def test_a_run_does_not_go_on_with_other_data(cli, stopped, pixels):
    run, data = stopped
    data.unlink()
    write_dataset(data, pixels[:20])
    result = cli("train", "--continue", run, "--kimg", 0.032)
    assert result.exit_code == 2
    assert "the data set has changed since the run was started (images was 24, is 20)" in result.output
    assert "--resume" in result.output
    data.unlink()
    write_dataset(data, 255 - pixels)
    result = cli("train", "--continue", run, "--kimg", 0.032)
    assert result.exit_code == 2
    assert "same number of images, but different images or labels" in result.output
    data.unlink()
    write_dataset(data, pixels)
    assert cli("train", "--continue", run, "--kimg", 0.032).exit_code == 0


def test_an_older_run_goes_on_and_says_that_it_does_not_know_its_data(cli, stopped):
    run, _ = stopped
    state = torch.load(run / "training-state.pt", weights_only=True)
    del state["dataset"]
    torch.save(state, run / "training-state.pt")
    assert cli("train", "--continue", run, "--kimg", 0.032).exit_code == 0
    assert "saved without a fingerprint of its data set" in (run / "log.txt").read_text()
    assert cli("train", "--continue", run, "--kimg", 0.048).exit_code == 0
    assert (run / "log.txt").read_text().count("without a fingerprint") == 1
