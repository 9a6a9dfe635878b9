"""`linkgan edit --directions FILE`: sheets, images and videos along directions of files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from linkgan_plugin import DirectionEdit, Editor, LinkedGenerator, LinkSpec, Projected, load_network
from linkgan_plugin.calls.styles import Styles
from linkgan_plugin.directions.directions import Directions
from linkgan_plugin.directions.files import save_directions
from linkgan_plugin.images.pixels import to_pixels
from linkgan_plugin.inversion.projected import save_projected
from linkgan_plugin.network_links import SPEC_ATTRIBUTE
from linkgan_plugin.report.sheet import GAP, HEADER, NOTE
from training_loops.snapshots import load_snapshot, save_snapshot

SIZE, TITLE = 16, HEADER + 6
TOP = TITLE + HEADER + NOTE  # of the images of a direction
WIDE = Directions(
    torch.randn(3, 1, 16, generator=torch.Generator().manual_seed(1)),
    effect=torch.tensor([0.4, 0.3, 0.2]),
    leak=torch.tensor([0.1, 0.1, 0.1]),
    names=("smile", "age", ""),
    region="box(0,0,1,0.5)",
)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    return save_directions(tmp_path / "wide.safetensors", WIDE)[0]


@pytest.fixture
def styles(tmp_path: Path, linked_snapshot: Path) -> tuple[Path, Directions]:
    """A file of one direction in S, and the direction."""
    dim = Styles(load_network(linked_snapshot).generator).dim
    found = Directions(torch.randn(1, 1, dim, generator=torch.Generator().manual_seed(2)), "s")
    return save_directions(tmp_path / "styles.safetensors", found)[0], found


@pytest.fixture(scope="module")
def linked(linked_snapshot: Path) -> LinkedGenerator:
    network = load_network(linked_snapshot)
    return LinkedGenerator(network.generator, network.linked())


@pytest.fixture(scope="module")
def plain_network(linked_snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network without its links."""
    found = load_snapshot(linked_snapshot, "cpu")
    for network in (found.G, found.G_ema):
        if hasattr(network, SPEC_ATTRIBUTE):
            delattr(network, SPEC_ATTRIBUTE)
    path = tmp_path_factory.mktemp("plain") / "plain.pt"
    save_snapshot(path, G=found.G, D=found.D, G_ema=found.G_ema, training_options={}, cur_nimg=0, link_spec=None)
    return path


@pytest.fixture
def edited(cli, tmp_path):
    """Return a caller of `linkgan edit` that gives the path written."""

    def call(network: Path, name: str, *arguments: object) -> Path:
        cell = () if "--plain" in arguments else ("--cell", SIZE)
        result = cli("edit", network, "--out", tmp_path / name, *cell, *arguments)
        assert result.exit_code == 0, result.output
        return tmp_path / name

    return call


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def along(generator: LinkedGenerator, seed: int, directions: Directions, step: DirectionEdit) -> np.ndarray:
    """The image of a seed after a step of a set called x."""
    editor = Editor.of_seed(generator, seed)
    editor.add_directions("x", directions)
    return to_pixels(editor.after(step).image())[0]


def test_the_sheet_has_rows_for_images_and_directions_and_columns_for_amounts(edited, linked, linked_snapshot, wide):
    path = edited(
        linked_snapshot, "s.png", "--seeds", "1,2", "--directions", wide, "--direction", 2, "--direction", "smile",
        "--amount", "-2:1:4",
    )  # fmt: skip
    sheet = pixels(path)
    height = TOP + 2 * SIZE
    assert sheet.shape == (2 * height + 2 * GAP, SIZE + GAP + 5 * SIZE, 3)
    for place, direction in enumerate((2, 0)):
        for row, seed in enumerate((1, 2)):
            for column, amount in enumerate((-2, -1, 0, 1)):
                top, left = place * (height + 2 * GAP) + TOP + row * SIZE, SIZE + GAP + column * SIZE
                expected = along(linked, seed, WIDE, DirectionEdit(direction=direction, std=amount, of="x"))
                assert np.array_equal(sheet[top : top + SIZE, left : left + SIZE], expected)
    names = json.loads(Image.open(path).text["edits"])
    assert names[:2] == ["wide: 2 -2", "wide: 2 -1"]
    assert names[4] == "wide: smile -2"
    difference = sheet[TOP : TOP + SIZE, -SIZE:]
    assert (difference[7] == 255).all(), "the border of their region is outlined"


def test_a_region_limits_the_axes_that_move(edited, linked, linked_snapshot, wide):
    arguments = ("--seeds", 1, "--directions", wide, "--direction", 1, "--amount", 2, "--plain")
    path = edited(linked_snapshot, "p.png", *arguments, "--region", "eyes+rest")
    expected = along(linked, 1, WIDE, DirectionEdit("eyes+rest", 1, 2.0, "x"))
    assert np.array_equal(pixels(path), expected)
    assert not np.array_equal(pixels(edited(linked_snapshot, "all.png", *arguments)), expected)
    saved = json.loads(Image.open(path).text["editor"])
    again = Editor.from_json(linked, saved)
    assert again.edited() == ("eyes", "rest")
    assert np.array_equal(to_pixels(again.image())[0], expected)


def test_a_network_without_links_moves_as_a_whole(edited, cli, plain_network, tmp_path, wide, styles):
    generator = load_network(plain_network).generator
    bare = LinkedGenerator(generator, LinkSpec((), 16))
    path, found = styles
    arguments = ("--seeds", 3, "--amount", 1.5, "--direction", 0, "--plain")
    in_w = pixels(edited(plain_network, "w.png", "--directions", wide, *arguments))
    assert np.array_equal(in_w, along(bare, 3, WIDE, DirectionEdit(std=1.5, of="x")))
    in_s = pixels(edited(plain_network, "s.png", "--directions", path, *arguments))
    assert np.array_equal(in_s, along(bare, 3, found, DirectionEdit(std=1.5, of="x")))
    saved = json.loads(Image.open(tmp_path / "s.png").text["editor"])
    assert np.array_equal(to_pixels(Editor.from_json(bare, saved).image())[0], in_s)
    refused = cli("edit", plain_network, "--directions", wide, "--region", "eyes", "--out", tmp_path / "x.png")
    assert refused.exit_code == 2
    assert "this network has no links; leave it out" in refused.output


def test_several_files_of_any_space_are_drawn_below_each_other(edited, linked_snapshot, wide, styles):
    arguments = ("--directions", wide, "--directions", styles[0], "--direction", 0, "--seeds", 1, "--amount", "-1:1:2")
    path = edited(linked_snapshot, "both.png", *arguments)
    assert pixels(path).shape[0] == 2 * (TOP + SIZE) + 2 * GAP
    assert json.loads(Image.open(path).text["edits"]) == [
        "wide: smile -1",
        "wide: smile +1",
        "styles: 0 -1",
        "styles: 0 +1",
    ]


def test_a_photograph_moves_along_directions_too(edited, linked, linked_snapshot, tmp_path, wide):
    photograph = torch.zeros([1, 3, SIZE, SIZE])
    save_projected(tmp_path / "me", Projected(linked.draw([5]), torch.zeros(1, 0), photograph=photograph))
    arguments = ("--projection", tmp_path / "me", "--directions", wide, "--direction", 0, "--amount", 1)
    sheet = pixels(edited(linked_snapshot, "me.png", *arguments))
    assert sheet.shape == (TOP + SIZE, 2 * SIZE + GAP + 2 * SIZE, 3)
    expected = along(linked, 5, WIDE, DirectionEdit(of="x"))
    assert np.array_equal(sheet[TOP:, 2 * SIZE + GAP : 3 * SIZE + GAP], expected)


def test_a_video_goes_from_the_first_amount_to_the_last_and_back(edited, linked, linked_snapshot, styles):
    path, found = styles
    gif = Image.open(
        edited(linked_snapshot, "s.gif", "--directions", path, "--seeds", 1, "--amount", "-3:2:5", "--plain")
    )
    frames = [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(gif)]
    stops = [along(linked, 1, found, DirectionEdit(std=std, of="x")).astype(int) for std in (-3, 2, 0)]
    nearest = [int(np.argmin([np.abs(frame - stop).mean() for frame in frames])) for stop in stops[:2]]
    assert nearest == sorted(nearest)
    assert all(np.abs(frames[place] - stop).mean() < 2 for place, stop in zip(nearest, stops, strict=False))
    assert np.abs(frames[-1] - stops[2]).mean() < 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--directions", "FILE", "--directions", "3"], "either a number of the region's own directions, or files"),
        (["--directions", "2", "--directions", "3", "--region", "eyes"], "give it once"),
        (["--directions", "0"], "neither a number of directions from 1 nor a file"),
        (["--directions", "nowhere.safetensors"], "make one with `linkgan directions`"),
        (["--direction", "1"], "--direction chooses from a file of directions; add --directions FILE"),
        (["--directions", "3", "--amount", "1", "--region", "eyes"], "--amount chooses from a file"),
        (["--directions", "FILE", "--strength", "2"], "--amount says how far an edit goes"),
        (["--directions", "FILE", "--interpolate"], "--amount gives the steps in between"),
        (["--directions", "FILE", "--contact", "--seeds", "1"], "one row for each image and direction"),
        (["--directions", "FILE", "--transplant", "2"], "--directions and --transplant"),
        (["--directions", "FILE", "--donor-seed", "2"], "directions have no donor"),
        (["--directions", "FILE", "--plain", "--seeds", "1"], "give one --directions FILE, --direction and --amount"),
        (["--directions", "FILE", "--plain", "--out", "x.gif"], "--plain shows one region of one image"),
        (["--directions", "FILE", "--amount", "-3:3"], "'-3:3': expected one number such as 2, or first:last:count"),
        (["--directions", "FILE", "--amount", "0:1:1"], "count 2 to 1000"),
        (["--directions", "FILE", "--amount", "nan"], "'nan': expected one number"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_loaded(arguments, message, cli, tmp_path, wide):
    path = tmp_path / "network.pt"
    path.write_bytes(b"not even a network")
    result = cli("edit", path, "--out", "sheet.png", *(wide if item == "FILE" else item for item in arguments))
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("directions", "arguments", "message"),
    [
        (WIDE, ["--direction", "3"], "there is no direction 3; there are 3, 0 to 2"),
        (WIDE, ["--direction", "smlie"], "no direction is called 'smlie'; known: age, smile (did you mean 'smile'?)"),
        (Directions(torch.ones(1, 1, 16), "z"), [], "directions in Z and a network that is edited in W"),
        (Directions(torch.ones(1, 1, 15)), [], "directions [K, 1, 15]"),
        (Directions(torch.ones(1, 1, 7), "s"), [], "7 style channels; this network has"),
    ],
)
def test_directions_that_do_not_fit_are_refused(directions, arguments, message, cli, linked_snapshot, tmp_path):
    file = save_directions(tmp_path / "some.safetensors", directions)[0]
    result = cli("edit", linked_snapshot, "--directions", file, *arguments, "--out", tmp_path / "x.png")
    assert result.exit_code == 2
    assert message in result.output


def test_directions_of_another_network_file_are_used_with_a_warning(cli, linked_snapshot, tmp_path):
    others = Directions(WIDE.vectors, network="0" * 64)
    file = save_directions(tmp_path / "others.safetensors", others)[0]
    arguments = ("--directions", file, "--direction", 0, "--seeds", 1, "--amount", 1, "--cell", SIZE)
    result = cli("edit", linked_snapshot, *arguments, "--out", tmp_path / "x.png")
    assert result.exit_code == 0
    assert "Warning: others was found for another network file" in result.output
