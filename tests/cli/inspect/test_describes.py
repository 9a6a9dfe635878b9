"""`linkgan inspect`: what it says of whole files, as text and as JSON."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from torch import nn

from tests.cli.conftest import Cli
from tests.pickles.test_convert import SPEC
from tests.pickles.test_native import ADA, DIMS, WIDTH, generator
from tests.pickles.written import snapshot_bytes, stored


def test_everything_worth_knowing_is_said(cli: Cli, snapshot: Path) -> None:
    result = cli("inspect", snapshot)
    assert result.exit_code == 0, result.output
    text = result.output
    assert "G_ema: Generator, 16 x 16 pixels, 3 channels\n  z_dim 8, w_dim 8, c_dim 3, num_ws 6" in text
    assert "computes in fp32" in text
    assert "computes in fp16 in 2 of 2 layers, from 8 pixels" in text  # the discriminator
    assert "can be opened without its code: yes, as stylegan2" in text
    assert "links: eyes=0:2@box(0,0,0.5,0.5) (in G_ema)" in text
    assert "data set: path=/data/faces.zip" in text
    assert "augmentation probability: 0.250" in text
    assert "safe to open here: yes, no code in it is run" in text
    assert "safe to open in its host: yes, the code in it is from public hosts" in text
    assert re.search(r"  \w+: NVlabs/stylegan3 training/networks_stylegan2\.py\n", text)
    assert f"SHA-256 {hashlib.sha256(snapshot.read_bytes()).hexdigest()}" in text


def test_the_same_as_json(cli: Cli, snapshot: Path) -> None:
    found = json.loads(cli("inspect", snapshot, "--json").output)
    network = found["networks"]["G_ema"]
    learned = sum(parameter.numel() for parameter in generator(**ADA).parameters())
    assert (network["class_name"], network["img_resolution"], network["native"]) == ("Generator", 16, "stylegan2")
    assert network["parameters"] == learned
    assert network["init_kwargs"]["synthesis_kwargs"] == WIDTH
    assert found["link_spec"] == SPEC
    assert found["training_set_kwargs"] == {"path": "/data/faces.zip"}
    assert found["error"] is None
    offsets = {item["name"]: item["offset"] for item in found["globals"]}
    data = snapshot.read_bytes()
    assert data[offsets["torch._utils._rebuild_parameter"]] == 0x93
    assert all(item["allowed"] for item in found["globals"])


def test_a_network_that_only_its_code_opens_says_why(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(snapshot_bytes(G_ema=stored(generator(), {**DIMS, **WIDTH, "style_mixing": 0.9})))
    result = cli("inspect", path)
    assert result.exit_code == 0
    assert (
        "opened without its code: no: Generator: this program's stylegan2 does not accept its arguments"
        in result.output
    )


def test_our_own_files_are_described_too(cli: Cli, linked_snapshot: Path, tmp_path: Path) -> None:
    converted = tmp_path / "network.safetensors"
    assert cli("convert", linked_snapshot, converted).exit_code == 0
    for path in (linked_snapshot, converted):
        result = cli("inspect", path)
        assert result.exit_code == 0, result.output
        assert "G_ema: Generator, 16 x 16 pixels" in result.output
        assert "links: eyes=0:4@" in result.output
    found = json.loads(cli("inspect", converted, "--json").output)
    assert found["source"]["sha256"] == hashlib.sha256(linked_snapshot.read_bytes()).hexdigest()
    names = [item["name"] for item in json.loads(cli("inspect", linked_snapshot, "--json").output)["globals"]]
    assert "torch._utils._rebuild_tensor_v2" in names


@pytest.mark.parametrize("half_from", [["a", 3], 3, [[1], 3]])
def test_sizes_are_told_as_far_as_they_are_numbers(half_from: object, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(snapshot_bytes(G_ema=stored(nn.Module(), use_fp16=True, resolution=half_from)))
    result = cli("inspect", path)
    assert result.exit_code == 0, result.output
    assert "computes in fp16 in 1 of 1 layers, from 3 pixels" in result.output


def test_a_data_set_that_is_no_dict_is_refused(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(snapshot_bytes(G_ema=stored(generator(), {**DIMS, **WIDTH}), training_set_kwargs=[1, 2]))
    result = cli("inspect", path)
    assert result.exit_code == 1
    assert f"REFUSED: {path}: training_set_kwargs is a list, expected a dict" in result.output


def test_a_file_that_is_not_there_is_one_message(cli: Cli) -> None:
    assert "no file nothing.pkl" in cli("inspect", "nothing.pkl").output
