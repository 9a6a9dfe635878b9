"""Opening network files: hosts' snapshots, and where their links and training options are found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from linkgan_plugin.cli import main
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.networks import Network, check_finite, load_network
from linkgan_plugin.pickles.convert import convert
from tests.cli.conftest import SMALL
from tests.pickles import checkouts
from training_loops.formats.folder import write_dataset


def spec(name: str) -> dict[str, Any]:
    return LinkSpec.parse([f"{name}=0:2@box(0,0,0.5,0.5)"], dim=4, space="w").to_json()


@pytest.fixture
def host(tmp_path: Path):
    """A checkout; its modules are forgotten after the test."""
    yield checkouts.write(tmp_path / "host")
    checkouts.forget()


@pytest.fixture
def snapshot(host, tmp_path):
    """Return a writer of snapshots whose generator has the given attributes."""

    def write(**attributes: Any) -> Path:
        path = tmp_path / "network-snapshot-000100.pkl"
        path.write_bytes(checkouts.snapshot_bytes(host, **attributes)[0])
        return path

    return write


def test_a_host_snapshot_becomes_a_linked_generator(host, snapshot):
    network = load_network(snapshot(link_spec=spec("eyes")), host=host)
    generator = LinkedGenerator(network.generator, network.linked())
    sample = generator.sample([0, 1])
    edited = generator.resample(sample.latents, "eyes", seed=5)
    assert sample.images.shape == (2, 3, 8, 8)
    assert not torch.equal(edited.images, sample.images)
    assert torch.equal(edited.latents[..., 2:], sample.latents[..., 2:])


def test_links_are_found_on_the_network_then_beside_it_then_in_its_options(host, snapshot):
    path = snapshot()
    assert load_network(path, host=host).spec is None
    path.with_name("training_options.json").write_text(json.dumps({"G_kwargs": {"link_spec": spec("third")}}))
    assert load_network(path, host=host).linked().names == ("third",)
    path.with_suffix(".links.json").write_text(json.dumps({"link_spec": spec("second")}))
    assert load_network(path, host=host).linked().names == ("second",)
    snapshot(link_spec=spec("first"))
    assert load_network(path, host=host).linked().names == ("first",)


def test_the_options_are_those_beside_it_with_the_data_set_of_the_file(host, snapshot, tmp_path):
    path = snapshot()
    assert load_network(path, host=host).training_options["training_set_kwargs"]["path"] == "/data/faces.zip"
    options = {"batch_size": 4, "training_set_kwargs": {"path": "other.zip"}}
    path.with_name("training_options.json").write_text(json.dumps(options))
    found = load_network(path, host=host).training_options
    assert found["batch_size"] == 4
    assert found["training_set_kwargs"]["path"] == "/data/faces.zip"


@pytest.mark.parametrize("options", [{"training_set_kwargs": [1], "G_kwargs": 5}, {"G_kwargs": [{}]}])
def test_options_of_another_shape_are_passed_over(options, host, snapshot):
    path = snapshot()
    path.with_name("training_options.json").write_text(json.dumps(options))
    assert load_network(path, host=host).training_options.get("G_kwargs") == options["G_kwargs"]


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 10_000, '{"a": ' + "1" * 5000 + "}", " " * (17 << 20)])
def test_options_that_cannot_be_read_are_named(text, host, snapshot):
    path = snapshot()
    path.with_name("training_options.json").write_text(text)
    with pytest.raises(LinkGANError, match=r"training_options.json: .*; fix or remove it"):
        load_network(path, host=host)


def test_without_the_code_the_message_says_what_the_file_holds(snapshot, monkeypatch):
    monkeypatch.delenv("LINKGAN_HOST", raising=False)
    path = snapshot(link_spec=spec("eyes"))
    with pytest.raises(LinkGANError, match=r"holds a Generator, 8 x 8 pixels, links eyes; .* --host DIR"):
        load_network(path)


def test_the_code_may_be_named_in_the_environment(host, snapshot, monkeypatch):
    monkeypatch.setenv("LINKGAN_HOST", str(host))
    assert load_network(snapshot()).generator.rendering_resolution == 32


class Conditional(torch.nn.Module):
    """What is asked of a class-conditional generator before anything is rendered."""

    c_dim = 3

    def mapping(self, z, c):
        return z

    def synthesis(self, ws):
        return ws


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_the_data_set_that_a_file_names_is_never_opened(kind, tmp_path, monkeypatch):
    place = tmp_path / "data"
    os.mkfifo(place) if kind == "fifo" else place.mkdir()
    options = {"training_set_kwargs": {"path": str(place)}}
    network = Network(Conditional(), None, options, tmp_path / "net.pt")
    monkeypatch.setattr("linkgan_plugin.networks.ImageFolderDataset", lambda *args, **kwargs: pytest.fail("opened"))
    with pytest.raises(LinkGANError, match=r"net.pt takes labels of 3 classes; .*--data DATA.*--class N \(0 to 2\)"):
        network.labels()


def test_a_class_is_the_label_of_every_seed_where_the_network_has_it(tmp_path):
    network = Network(Conditional(), None, {}, tmp_path / "net.pt")
    labels = network.labels(number=2)
    assert labels is not None
    assert labels([4, 9]).tolist() == [[0, 0, 1], [0, 0, 1]]
    with pytest.raises(LinkGANError, match="class 3: this network has 0 to 2"):
        network.labels(number=3)
    network.generator.c_dim = 0
    assert network.labels() is None
    with pytest.raises(LinkGANError, match="class 0: it has no classes"):
        network.labels(number=0)


def test_a_broken_spec_in_a_file_is_an_error_of_the_input(host, snapshot):
    with pytest.raises(LinkGANError):
        load_network(snapshot(link_spec={"links": 3}), host=host)


BROKEN = {"nan": float("nan"), "inf": float("inf")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a short run."""
    folder = tmp_path_factory.mktemp("run")
    data = folder / "data.zip"
    write_dataset(data, np.zeros([8, 8, 8, 3], np.uint8))
    words = ["train", "--data", data, "--run-dir", folder / "run", "--kimg", 0.008, "--link", "a=4@box(0,0,1,0.5)"]
    result = CliRunner().invoke(main, [*map(str, words), *SMALL])
    assert result.exit_code == 0, result.output
    return folder / "run"


@pytest.fixture
def diverged(trained, tmp_path):
    """Return a writer of a snapshot with some numbers that are not finite in tensors of G_ema."""

    def write(names, value, suffix=".pt"):
        data = torch.load(max(trained.glob("network-snapshot-*.pt")), weights_only=True)
        for role in ("G", "G_ema"):
            for name in names:
                data["networks"][role]["state"][name].view(-1)[0] = value
        path = tmp_path / "diverged.pt"
        torch.save(data, path)
        if suffix != ".pt":
            convert(path, path.with_suffix(suffix))
        return path.with_suffix(suffix)

    return write


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("value", BROKEN)
def test_a_diverged_network_does_not_open(value, suffix, diverged, tmp_path):
    path = diverged(["mapping.fc0.weight", "synthesis.b4.const"], BROKEN[value], suffix)
    expected = f"{path}: synthesis.b4.const and 1 more tensors hold numbers that are not finite.*earlier snapshot"
    with pytest.raises(LinkGANError, match=expected):
        load_network(path)
    for words in (["metrics", path], ["edit", path, "--out", tmp_path / "x.png"]):
        result = CliRunner().invoke(main, [*map(str, words)])
        assert result.exit_code == 2
        assert "not finite" in result.output


def test_the_averages_that_a_host_leaves_broken_on_a_cpu_are_zero(diverged):
    network = load_network(diverged(["mapping.w_avg"], float("nan")))
    assert network.generator.mapping.w_avg[0] == 0
    assert network.generator.mapping.w_avg[1:].abs().min() > 0


def test_finite_weights_whose_sum_is_not_finite_open():
    network = torch.nn.Linear(4, 4)
    torch.nn.init.constant_(network.weight, 3e38)
    assert not network.weight.sum().isfinite()
    check_finite(network, Path("large.pt"))


def test_nothing_is_trained_on_from_a_diverged_network(diverged, trained, tmp_path):
    path = diverged(["synthesis.b4.const"], float("nan"))
    words = ["train", "--data", trained.parent / "data.zip", "--run-dir", tmp_path / "on", "--resume", path]
    result = CliRunner().invoke(main, [*map(str, words), "--kimg", "0.008", *SMALL])
    assert result.exit_code == 2
    assert "G.synthesis.b4.const holds numbers that are not finite (1 tensors do)" in result.output
