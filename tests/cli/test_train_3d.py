"""`linkgan train --cfg heads3d`: a linked 3D-aware generator from the command line to metrics and edits."""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest
import torch

from linkgan_plugin import LinkedGenerator, Projected, load_network
from linkgan_plugin.inversion.projected import save_projected
from tests.cli.conftest import SMALL
from training_loops.formats.cameras import intrinsics, join_labels, look_at, positions_on_sphere
from training_loops.formats.folder import write_dataset

LINKS = ["--link", "left=4@box(0,0,0.5,1)", "--link", "front=4@box3d(-0.3,-0.3,0,0.3,0.3,0.5)", "--link-overlap"]
LINKS += ["--link-start", "0"]
WEIGHTS = ["--link-depth", "0.5", "--link-raw", "0.25", "--link-interval", "2", "--link-per-sample", "0"]


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    """Twelve 16x16 images, each with a camera of its own in front of the origin."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "views.zip"
    angles = torch.from_numpy(random.uniform(1.2, 1.9, size=(2, 12)))
    cameras = join_labels(look_at(positions_on_sphere(*angles, 2.7), torch.zeros(3).double()), intrinsics(18.8))
    pixels = random.integers(0, 256, size=[12, 16, 16, 3], dtype=np.uint8)
    write_dataset(path, pixels, labels=cameras.tolist())
    return path


@pytest.fixture(scope="module")
def run(cli, views, tmp_path_factory):
    """The folder of a linked run of four steps."""
    folder = tmp_path_factory.mktemp("runs") / "linked"
    arguments = ["--data", views, "--run-dir", folder, "--cfg", "heads3d", "--kimg", "0.032", "--tick", "0.016"]
    result = cli("train", *arguments, *LINKS, *WEIGHTS, *SMALL)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def snapshot(run):
    return max(run.glob("network-snapshot-*.pt"))


def test_the_options_say_what_was_trained(run):
    options = json.loads((run / "training_options.json").read_text())
    assert options["loss_kwargs"]["base_class_name"] == "training_loops.eg3d.loss.EG3DLoss"
    assert options["loss_kwargs"]["recipe"]["depth"] == 0.5
    assert options["training_set_kwargs"]["use_labels"] is True, "cameras are labels without --cond"


def test_both_kinds_of_region_are_trained_and_reported(run):
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    seen = {name for line in lines for name, value in line.items() if name != "timestamp" and value["num"]}
    assert {"Loss/link/loss", "Loss/G/reg", "Loss/r1_penalty"} <= seen
    assert {"Loss/link/left/effect", "Loss/link/front/effect", "Loss/link/rest/effect"} <= seen


def test_the_network_renders_through_cameras_with_its_links(snapshot, views):
    network = load_network(snapshot)
    assert network.linked().names == ("left", "front")
    out = network.generator(torch.zeros(2, 16), network.labels(views)([0, 1]))
    assert {name: list(value.shape) for name, value in out.items()} == {
        "image": [2, 3, 16, 16],
        "image_raw": [2, 3, 8, 8],
        "image_depth": [2, 1, 8, 8],
    }


def test_regions_of_the_snapshot_are_edited_and_measured(cli, snapshot, views, tmp_path):
    sheet = tmp_path / "sheet.png"
    result = cli("edit", snapshot, "--region", "front", "--seeds", "0", "--data", views, "--out", sheet)
    assert result.exit_code == 0, result.output
    assert PIL.Image.open(sheet).size[0] > 16
    result = cli("metrics", snapshot, "--data", views, "--pairs", 8, "--out", tmp_path / "metrics.json")
    assert result.exit_code == 0, result.output
    assert "front" in (tmp_path / "metrics.json").read_text()


def test_meshes_are_written_before_and_after_every_edit(cli, snapshot, views, tmp_path):
    options = ["--region", "front", "--seeds", "0", "--variants", "2", "--data", views, "--mesh", tmp_path / "m.ply"]
    network = load_network(snapshot)
    generator = LinkedGenerator(network.generator, labels=network.labels(views))
    density = float(generator.volume(generator.draw([0]), generator.labels([0])).grid(8).median())
    options += ["--mesh-size", "16", "--mesh-level", density]
    result = cli("edit", snapshot, *options, "--out", tmp_path / "sheet.png")
    assert result.exit_code == 0, result.output
    files = [tmp_path / f"m-0{ending}.ply" for ending in ("", "-front-1", "-front-2")]
    assert "wrote 3 meshes: m-0.ply, m-0-front-1.ply, m-0-front-2.ply" in result.output
    assert len({path.read_bytes() for path in files}) == 3
    again = cli("edit", snapshot, *options, "--out", tmp_path / "other.png")
    assert again.exit_code == 2
    assert "m-0.ply exists" in again.output
    assert not (tmp_path / "other.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mesh", "m.stl"], "--mesh m.stl: expected a name that ends in .ply or .obj"),
        (["--mesh-size", "64"], "--mesh-size is of a mesh; add --mesh FILE.ply"),
        (["--mesh", "m.ply", "--paste"], "--mesh and --paste do not go together"),
        (["--mesh", "m.ply", "--out", "x.mp4"], "--mesh goes with a sheet of edits"),
    ],
)
def test_mesh_options_that_do_not_fit_are_refused(cli, snapshot, arguments, message):
    result = cli("edit", snapshot, "--region", "front", "--out", "x.png", *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_hosts_projection_is_seen_by_the_camera_of_seed_0(cli, snapshot, views, tmp_path):
    network = load_network(snapshot)
    latents = LinkedGenerator(network.generator, labels=network.labels(views)).draw([5])
    label = network.labels(views)([0])
    np.savez(tmp_path / "projected_w.npz", w=latents.numpy())
    save_projected(tmp_path / "ours", Projected(latents, label))
    images = []
    for place in ("projected_w.npz", "ours"):
        out, projection = tmp_path / f"{place}.png", tmp_path / place
        options = ["--projection", projection, "--region", "front", "--transplant", projection, "--plain"]
        result = cli("edit", snapshot, "--data", views, *options, "--out", out)
        assert result.exit_code == 0, result.output
        images.append(np.asarray(PIL.Image.open(out)))
    assert np.array_equal(*images)


def test_a_linked_run_goes_on_to_the_same_weights(cli, run, views, tmp_path):
    folder = tmp_path / "parts"
    arguments = ["--data", views, "--run-dir", folder, "--cfg", "heads3d", "--kimg", "0.016", "--tick", "0.016"]
    assert cli("train", *arguments, *LINKS, *WEIGHTS, *SMALL).exit_code == 0
    options = json.loads((folder / "training_options.json").read_text())
    (folder / "training_options.json").write_text(json.dumps({**options, "total_kimg": 0.032}))
    result = cli("train", "--continue", folder, "--quiet")
    assert result.exit_code == 0, result.output
    first, second = (torch.load(path / "training-state.pt", weights_only=True) for path in (run, folder))
    for name, value in first["networks"]["G_ema"].items():
        assert torch.equal(value, second["networks"]["G_ema"][name]), name


def test_options_of_scenes_need_cameras(cli, views, tmp_path):
    result = cli("train", "--data", views, "--run-dir", tmp_path / "run", "--neural-res", 8)
    assert result.exit_code == 2
    assert "neural_res: cfg tiny has no cameras; it is for heads3d, volume3d, eg3d" in result.output


BOX = "box3d(-0.3,-0.3,0,0.3,0.3,0.5)"


@pytest.fixture(scope="module")
def volume(cli, views, tmp_path_factory):
    """A snapshot of `--cfg volume3d` without links."""
    folder = tmp_path_factory.mktemp("runs") / "volume"
    arguments = ["--data", views, "--run-dir", folder, "--cfg", "volume3d", "--kimg", "0.008", "--tick", "0.008"]
    result = cli("train", *arguments, *SMALL)
    assert result.exit_code == 0, result.output
    return max(folder.glob("network-snapshot-*.pt"))


def test_links_added_to_a_trained_volume_get_planes_of_their_own(cli, views, volume, tmp_path):
    arguments = [
        "--data",
        views,
        "--run-dir",
        tmp_path / "run",
        "--cfg",
        "volume3d",
        "--kimg",
        "0.008",
        "--tick",
        "0.008",
    ]
    links = ["--link", f"front=4@{BOX}", "--link-depth", "1", "--local-planes"]
    result = cli("train", *arguments, "--resume", volume, *links, *SMALL)
    assert result.exit_code == 0, result.output
    network = load_network(max((tmp_path / "run").glob("network-snapshot-*.pt")))
    assert network.generator.init_kwargs["local_planes"] == [
        {"axes": [0, 1, 2, 3], "box": [-0.3, -0.3, 0, 0.3, 0.3, 0.5]}
    ]
    trained = [value for name, value in network.generator.local.named_parameters() if "torgb.weight" in name]
    assert all(value.abs().max() > 0 for value in trained), "they were zero before"
    saved = tmp_path / "network.safetensors"
    assert cli("convert", tmp_path / "run" / "network-snapshot-000000.pt", saved).exit_code == 0
    latents = torch.ones(1, network.generator.backbone.num_ws, 16)
    images = [
        g.synthesis(latents, network.labels(views)([0]))["image"]
        for g in (network.generator, load_network(saved).generator)
    ]
    assert images[0].shape == (1, 3, 16, 16)


def test_a_volume_renders_at_the_resolution_of_its_images(cli, views, tmp_path):
    result = cli(
        "train", "--data", views, "--run-dir", tmp_path / "run", "--cfg", "volume3d", "--neural-res", 8, *SMALL
    )
    assert result.exit_code == 2
    assert (
        "neural_res=8: this generator has no super-resolution; expected the resolution of the images, 16"
        in result.output
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--local-planes: no links; give --link NAME=AXES@box3d(...)"),
        (["--link", f"front=4@{BOX}", "--cfg", "heads3d"], "--local-planes: only --cfg volume3d has local planes"),
        (["--link", f"front=4@{BOX}", "--link-space", "z"], "--local-planes: expected links to axes of W"),
        (["--link", "left=4@box(0,0,0.5,1)"], "the region of left is box(0,0,0.5,1), expected box3d(...)"),
    ],
)
def test_local_planes_that_cannot_be_are_refused(cli, views, tmp_path, arguments, message):
    options = ["--data", views, "--run-dir", tmp_path / "run", "--cfg", "volume3d", "--local-planes", *SMALL]
    result = cli("train", *options, *arguments)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert not (tmp_path / "run").exists()
