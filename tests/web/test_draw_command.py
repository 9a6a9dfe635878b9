"""`linkgan regions draw`: what it draws over, what it begins with and what it refuses before it listens."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from starlette.testclient import TestClient

from linkgan_plugin.calls.generator import GeneratorCalls
from linkgan_plugin.cli import main
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.images.pixels import to_pixels
from linkgan_plugin.labels import constant_labels
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.networks import load_network
from linkgan_plugin.web.samples import NetworkSamples
from tests.inversion.conftest import small_generator
from tests.training_loops.eg3d.test_networks import small_generator as small_solid
from tests.web.conftest import ADDRESS, Asking
from tests.web.drawing import grey_data
from tests.web.test_command import started
from training_loops.data.head_files import write_heads
from training_loops.formats.folder import write_dataset
from training_loops.snapshots import save_snapshot
from training_loops.stylegan2.networks import Discriminator


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("draw")


@pytest.fixture(scope="module")
def data(folder):
    return grey_data(folder)


def saved(path, generator, *links, dim=8):
    """A snapshot of a generator with links, or with none."""
    D = Discriminator(0, 16, 3, channel_base=64, channel_max=4)
    spec = LinkSpec.parse(links, dim=dim).to_json() if links else None
    save_snapshot(path, G=generator, D=D, G_ema=generator, training_options={}, cur_nimg=0, link_spec=spec)
    return path


@pytest.fixture
def draw(monkeypatch):
    """A caller of the command that serves nothing, and what is asked of its page instead."""
    served = []
    monkeypatch.setattr("linkgan_plugin.web.server.serve", lambda app, listening, page: served.append((app, page)))

    def call(*arguments):
        result = CliRunner().invoke(main, ["regions", "draw", "--port", "0", *map(str, arguments)])
        if not served:
            return SimpleNamespace(code=result.exit_code, output=result.output, page=None)
        app, opened = served.pop()
        token = re.search(r"http://127\.0\.0\.1:\d+/#token=(\S+)\n", result.output)[1]
        client = TestClient(app, base_url=ADDRESS, headers={"authorization": f"Bearer {token}"})
        about = client.get("/api/drawing").json()
        return SimpleNamespace(
            code=result.exit_code, output=result.output, page=Asking(client), about=about, opened=opened
        )

    return call


def test_over_data_the_latent_is_that_of_the_default_configuration_or_as_typed(data, draw):
    about = draw("--data", data).about
    assert (about["dim"], about["any_dim"], about["size"], about["links"]) == (64, True, 32, [])
    assert about["title"] == "grey.zip · 12 images of 32 x 32 pixels"
    typed = draw("--data", data, "--dim", 512, "--link", "a=auto@box(0,0,0.5,1)", "--link-overlap", "--open")
    assert typed.about["dim"] == 512
    assert typed.about["allow_overlap"]
    assert typed.about["links"][0]["axes"] == "auto"
    assert typed.opened in typed.output


def test_links_that_overlap_are_begun_with_and_the_page_says_so(data, draw):
    links = ["a=auto@box(0,0,0.5,1)", "b=auto@box(0.25,0,0.75,1)"]
    drawn = draw("--data", data, "--link", links[0], "--link", links[1])
    answer = drawn.page.post("links", {"links": links}).response.json()
    assert "overlap on 25 % of the image" in answer["errors"][0]["message"]


def test_over_a_network_without_links_images_are_those_of_its_seeds(folder, draw):
    path = saved(folder / "plain.pt", small_generator())
    drawn = draw("--network", path, "--device", "cpu")
    assert (drawn.about["dim"], drawn.about["any_dim"], drawn.about["space"], drawn.about["links"]) == (
        8,
        False,
        "w",
        [],
    )
    spec = LinkSpec.parse(["a=4@box(0,0,0.5,1)"], dim=8)
    expected = to_pixels(LinkedGenerator(small_generator(), spec).sample([3]).images)[0]
    assert np.array_equal(drawn.page.get("images/3").image, expected)
    assert drawn.page.get("samples/2").response.json() == {"numbers": list(range(16, 24))}
    assert drawn.page.post("links", {"links": [], "dim": 16}).error == "dim must be 8"


def test_the_mean_of_a_network_is_that_of_as_many_seeds_as_there_is_time_for(folder):
    samples = NetworkSamples(load_network(saved(folder / "mean.pt", small_generator())), None)
    images = LinkedGenerator(small_generator(), LinkSpec.parse(["a=4@box(0,0,0.5,1)"], dim=8)).sample(range(256)).images
    for seconds, count in ((0, 1), (1e9, 256)):
        pixels, mean_of = samples.mean(seconds)
        expected = to_pixels(images[:count].clamp(-1, 1).double().mean(dim=0, keepdim=True))[0]
        assert mean_of == count
        assert np.abs(pixels.astype(int) - expected).max() <= 1  # batches of other sizes round otherwise


def test_a_networks_own_links_are_drawn_unless_others_are_given(folder, draw):
    path = saved(folder / "linked.pt", small_generator(), "top=0:4@box(0,0,1,0.5)")
    assert draw("--network", path).about["links"] == [
        {
            "name": "top",
            "axes": "0:4",
            "region": "box(0,0,1,0.5)",
            "shapes": [{"kind": "box", "corners": [[0, 0], [1, 0.5]]}],
        }
    ]
    given = draw("--network", path, "--link", "low=auto@box(0,0.5,1,1)", "--link-space", "z")
    assert [link["name"] for link in given.about["links"]] == ["low"]
    assert given.about["space"] == "z"
    option = given.page.post("links", {"links": ["low=auto@box(0,0.5,1,1)"]}).response.json()["option"]
    assert option == "--link 'low=auto@box(0,0.5,1,1)' --link-space z"


def test_classes_are_one_for_all_images_or_those_of_the_data_and_never_made_up(folder, draw):
    path = saved(folder / "classes.pt", small_generator(c_dim=3))
    labelled = folder / "labelled.zip"
    write_dataset(labelled, np.zeros((3, 16, 16, 3), np.uint8), labels=[0, 1, 2])
    refused = draw("--network", path)
    assert (refused.code, refused.page) == (2, None)
    assert "give data that has them with --data DATA, or one class for all images with --class N" in refused.output
    calls, z = (
        GeneratorCalls.of(small_generator(c_dim=3)),
        torch.from_numpy(np.random.RandomState(5).randn(1, 8)).float(),
    )
    label = torch.eye(3)[[1]]
    expected = to_pixels(calls.render_deterministic(calls.map(z, label), label).image)[0]
    assert np.array_equal(draw("--network", path, "--class", 1).page.get("images/5").image, expected)
    assert draw("--network", path, "--data", labelled).page.get("images/5").status == 200
    both = draw("--network", path, "--class", 1, "--data", labelled)
    assert "--class and --data do not go together" in both.output


def test_3d_aware_networks_are_seen_through_the_cameras_of_the_data(folder, draw):
    path, heads = folder / "solid.pt", folder / "heads.zip"
    write_heads(heads, n=4, size=16, seed=0)
    saved(path, small_solid(), "nose=2@box3d(-0.1,-0.1,0,0.1,0.1,1)", dim=5)
    assert "takes cameras; give data that has them with --data DATA" in draw("--network", path).output
    drawn = draw("--network", path, "--data", heads)
    assert drawn.about["links"][0]["shapes"] is None
    network = load_network(path)
    label = network.labels(heads)([2])
    view = LinkedGenerator(network.generator, labels=constant_labels(label))
    assert np.array_equal(drawn.page.get("images/2").image, to_pixels(view.sample([2]).images)[0])
    row = drawn.page.post("links", {"links": ["nose=2@box3d(-0.1,-0.1,0,0.1,0.1,1)"]}).response.json()["links"][0]
    assert row == {"area": None, "pixels": None, "count": 2, "axes": "0:2", "error": None}
    assert drawn.page.get("masks/0").status == 400


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "give --data (images to draw over) or --network"),
        (("--data", "DATA", "--class", 1), "--class: only with a network; give --network"),
        (("--data", "DATA", "--link-space", "z", "--device", "cpu"), "--link-space and --device: only with a network"),
        (("--network", "DATA", "--dim", 8), "--dim is defined by the network"),
        (("--data", "DATA", "--link", "a=auto@box(0,0,2,1)"), "2 is outside the image"),
        (("--data", "DATA", "--link", "a=0:99@eyes"), "axes 0:99 are out of range; the latent has 64"),
        (("--data", "DATA", "--address", "0.0.0.0"), "add --allow-remote to allow it"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(arguments, text, data, draw):
    refused = draw(*(data if argument == "DATA" else argument for argument in arguments))
    assert (refused.code, refused.page) == (2, None)
    assert text in " ".join(refused.output.split())


def test_from_start_to_ctrl_c(data):
    running = started("regions", "draw", "--data", data, "--port", "0")
    try:
        address, token = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)#token=(\S+)\n", running.stdout.readline()).groups()
        assert "Ctrl-C stops" in running.stdout.readline()
        with urllib.request.urlopen(address, timeout=60) as page:
            assert b"linkgan regions" in page.read()
        asked = urllib.request.Request(address + "api/drawing", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert json.load(answer)["mean_of"] == 12
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=30)
        assert (running.returncode, rest) == (0, "")
    finally:
        running.kill()
        running.wait()
