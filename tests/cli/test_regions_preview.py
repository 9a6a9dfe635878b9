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
from training_loops.data.folder import write_dataset

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
    picture = Image.open(out)
    assert LinkSpec.from_json(json.loads(picture.text["link_spec"])).names == ("left", "right")
    assert picture.width > 1000


def test_resolution_scales_the_images_first(data, tmp_path):
    thin = "thin=4@box(0,0,0.125,1)"
    for resolution in (4, 16):
        result = preview("--data", data, "--link", thin, "--resolution", resolution, "--out", tmp_path / "p.png")
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


def test_data_that_holds_no_images_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    result = preview("--data", tmp_path / "empty", "--link", LEFT, "--out", tmp_path / "p.png")
    assert result.exit_code == 2
    assert result.output.startswith("Error: data '")
    assert "no images in it" in result.output


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
