"""`linkgan regions preview`: what it draws and what it says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from linkgan_plugin.cli import main
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.regions.presets import PRESETS
from linkgan_plugin.report.preview import GAP, LARGE, MARGIN, SMALL
from training_loops.data.head_files import write_heads
from training_loops.formats.folder import write_dataset

LEFT, RIGHT = "left=4@box(0,0,0.5,1)", "right=auto@box(0.5,0,1,1)"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "gray.zip"
    write_dataset(path, np.full((9, 8, 8, 3), 128, np.uint8))
    return path


def preview(*args: object):
    return CliRunner().invoke(main, ["regions", "preview", *map(str, args)])


def test_it_draws_the_regions_and_tells_areas_and_axes(data, tmp_path):
    out = tmp_path / "deep" / "preview.png"
    result = preview("--data", data, "--link", LEFT, "--link", RIGHT, "--dim", 16, "--out", out)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines == [
        "left 50.0% of the image 4 axes box(0,0,0.5,1)",
        "right 50.0% of the image 8 axes box(0.5,0,1,1)",
        "rest 0.0% of the image 4 axes all pixels in no region",
        f"wrote {out}",
    ]
    image = Image.open(out)
    assert LinkSpec.from_json(json.loads(image.text["link_spec"])).names == ("left", "right")
    assert image.width > 1000


def test_resolution_scales_the_images_first(data, tmp_path):
    thin = "thin=4@box(0,0,0.125,1)"
    for resolution in (4, 16):
        result = preview(
            "--data", data, "--link", thin, "--resolution", resolution, "--out", tmp_path / f"{resolution}.png"
        )
        assert "thin              12.5% of the image" in result.output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--link", "a=4@blob(1)"], "Error: link 'a': no plugin 'blob' among the regions; known: box, "),
        (["--link", LEFT, "--link", "b=4@box(0.4,0,1,1)"], "allow it with --link-overlap"),
        (["--link", "a=20@eyes", "--dim", "16"], "Error: link 'a' needs 20 axes in a row"),
    ],
)
def test_a_wrong_link_is_one_line_before_any_file_is_written(args, message, data, tmp_path):
    out = tmp_path / "p.png"
    result = preview("--data", data, *args, "--out", out)
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("name", ["gray.zip", "o.jpg"])
def test_only_a_png_is_written(name, data, tmp_path):
    (tmp_path / name).write_text("precious")
    result = preview("--data", data, "--link", LEFT, "--out", tmp_path / name)
    assert result.exit_code == 2
    assert f"{name}: expected a name that ends in .png" in result.output
    assert (tmp_path / name).read_text() == "precious"


def test_data_that_holds_no_images_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    result = preview("--data", tmp_path / "empty", "--link", LEFT, "--out", tmp_path / "p.png")
    assert result.exit_code == 2
    assert result.output.startswith("Error: data '")
    assert "contains no images" in result.output


def test_overlap_is_drawn_when_asked_for(data, tmp_path):
    links = ["--link", LEFT, "--link", "b=4@box(0.4,0,1,1)", "--link-overlap"]
    assert preview("--data", data, *links, "--grid", "--out", tmp_path / "p.png").exit_code == 0


def test_a_plugins_region_kind_is_drawn_like_our_own(example_plugin, data, tmp_path):
    result = preview(
        "--data", data, "--link", "dot=4@circle(0.5,0.5,0.25)", "--resolution", 64, "--out", tmp_path / "p.png"
    )
    assert result.exit_code == 0, result.output
    assert "dot               19.6% of the image" in result.output
    wrong = preview("--data", data, "--link", "dot=4@circle(0.5)", "--out", tmp_path / "q.png")
    assert "Error: link 'dot': circle takes 3 numbers, not 1; write circle(x,y,r)" in wrong.output


def test_help_lists_the_presets():
    text = CliRunner().invoke(main, ["regions", "--help"]).output
    assert all(f"{name} " in text and region in text for name, region in PRESETS.items())


BOX3D = "front=2@box3d(-0.3,-0.3,-0.5,0.3,0.3,0.5)"


@pytest.fixture(scope="module")
def solid(tmp_path_factory):
    """Images with cameras, and an untrained 3D-aware network with a link to a piece of its object."""
    folder = tmp_path_factory.mktemp("solid")
    write_heads(folder / "heads.zip", 8, 16, seed=0)
    small = ["--cbase", "64", "--cmax", "8", "--z-dim", "8", "--w-dim", "8", "--quiet", "--threads", "1"]
    run = ["--data", str(folder / "heads.zip"), "--run-dir", str(folder / "run"), "--cfg", "heads3d", "--kimg", "0.008"]
    result = CliRunner().invoke(main, ["train", *run, "--link", BOX3D, *small])
    assert result.exit_code == 0, result.output
    return folder / "heads.zip", folder / "run" / "network-snapshot-000000.pt"


def test_a_piece_of_an_object_needs_a_network_and_says_so(data, tmp_path):
    result = preview("--data", data, "--link", BOX3D, "--out", tmp_path / "p.png")
    assert result.exit_code == 2
    assert "draw it over images of the network: --network NET" in result.output
    assert not (tmp_path / "p.png").exists()


def test_a_networks_own_links_are_drawn_over_its_renders_from_several_sides(solid, tmp_path):
    heads, snapshot = solid
    result = preview("--network", snapshot, "--data", heads, "--out", tmp_path / "p.png")
    assert result.exit_code == 0, result.output
    assert "2 axes  box3d(-0.3,-0.3,-0.5,0.3,0.3,0.5)" in result.output
    area = float(result.output.split()[1].rstrip("%"))
    assert 50 < area < 100, "a wall in the middle of the world fills most of the box's view"
    image = np.asarray(Image.open(tmp_path / "p.png"))
    left, right = MARGIN + LARGE + GAP, MARGIN + LARGE + GAP + SMALL
    top = MARGIN + 34  # a title is over the panels
    one, other = image[top : top + SMALL, left:right], image[top : top + SMALL, right + GAP : right + GAP + SMALL]
    assert not np.array_equal(one, other), "two cameras"


def test_links_and_cameras_can_be_given_for_a_network(solid, tmp_path):
    heads, snapshot = solid
    links = ["--link", "left=2@box(0,0,0.5,1)", "--data", heads]
    result = preview("--network", snapshot, *links, "--out", tmp_path / "p.png")
    assert result.exit_code == 0, result.output
    assert "left              50.0% of the image     2 axes" in result.output
    assert "rest              50.0% of the image     6 axes" in result.output


def test_flat_networks_are_drawn_as_well(linked_snapshot, tmp_path):
    result = preview("--network", linked_snapshot, "--grid", "--out", tmp_path / "p.png")
    assert result.exit_code == 0, result.output
    assert "eyes" in result.output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--link", LEFT], "give --data and at least one --link, or --network"),
        (["--network", "NET", "--dim", "8"], "are defined by the network; omit them"),
    ],
)
def test_options_that_do_not_go_together_are_refused(args, message, solid, tmp_path):
    args = [solid[1] if arg == "NET" else arg for arg in args]
    result = preview(*args, "--out", tmp_path / "p.png")
    assert result.exit_code == 2
    assert message in result.output
