"""`linkgan edit`: what it edits, where regions go, what it writes, and what does not go together."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from linkgan_plugin import DirectionEdit, Editor, LinkedGenerator, Projected, Resample, Transplant, load_network
from linkgan_plugin.images.pixels import to_pixels
from linkgan_plugin.inversion.projected import save_projected
from linkgan_plugin.report.sheet import GAP, HEADER, NOTE

SIZE = 16


@pytest.fixture(scope="module")
def generator(linked_snapshot) -> LinkedGenerator:
    network = load_network(linked_snapshot)
    return LinkedGenerator(network.generator, network.linked())


@pytest.fixture(scope="module")
def photograph(generator, tmp_path_factory) -> Path:
    """The folder of a projection that is not the photograph to the bit."""
    folder = tmp_path_factory.mktemp("projections") / "me"
    random = torch.Generator().manual_seed(3)
    image = torch.randint(0, 256, [1, 3, SIZE, SIZE], generator=random) / 127.5 - 1
    save_projected(folder, Projected(generator.draw([5]), torch.zeros(1, 0), photograph=image))
    return folder


@pytest.fixture
def edited(cli, linked_snapshot, tmp_path):
    """Return a caller of `linkgan edit` that gives the path written: ``edited("x.png", "--region", "eyes", ...)``."""

    def call(name: str, *arguments: object) -> Path:
        cell = () if "--plain" in arguments else ("--cell", SIZE)
        result = cli("edit", linked_snapshot, "--out", tmp_path / name, *cell, *arguments)
        assert result.exit_code == 0, result.output
        return tmp_path / name

    return call


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def drawn(image: torch.Tensor) -> np.ndarray:
    return to_pixels(image)[0]


def test_arithmetic_is_a_transplant_of_the_sum(edited, generator):
    out = edited("sum.png", "--region", "all", "--seeds", "3", "--arithmetic", "3-5+8", "--plain")
    total = generator.draw([3]) - generator.draw([5]) + generator.draw([8])
    assert np.array_equal(pixels(out), drawn(generator.render(total)))
    layers = edited("m.png", "--region", "all", "--seeds", "3", "--transplant", "8", "--layers", "0,1", "--plain")
    mixed = torch.cat([generator.draw([8])[:, :2], generator.draw([3])[:, 2:]], dim=1)
    assert np.array_equal(pixels(layers), drawn(generator.render(mixed)))


def test_a_sum_that_is_none_is_refused(cli, linked_snapshot, tmp_path):
    for arguments, message in (
        (["--arithmetic", "3+5"], "2 more terms are added than taken away"),
        (["--arithmetic", "3-5+8", "--variants", "2"], "every --arithmetic is one variant"),
        (["--path", "spherical"], "only samples of Z lie near a sphere"),
    ):
        result = cli("edit", linked_snapshot, "--region", "eyes", *arguments, "--out", tmp_path / "x.png")
        assert result.exit_code == 2
        assert message in result.output


def test_a_plain_image_is_the_edited_image_and_carries_what_makes_it_again(edited, generator):
    path = edited("plain.png", "--region", "eyes+mouth", "--seeds", 3, "--donor-seed", 9, "--strength", 0.5, "--plain")
    editor = Editor.of_seed(generator, 3)
    editor.do(Resample(["eyes", "mouth"], 9, 0.5))
    assert np.array_equal(pixels(path), drawn(editor.image()))
    text = Image.open(path).text
    assert {"command", "seeds", "donor_seed", "link_spec", "versions", "edits"} <= set(text)
    again = Editor.from_json(generator, json.loads(text["editor"]))
    assert torch.equal(again.image(), editor.image())


def test_the_psi_of_donors_is_theirs_alone(edited, generator):
    path = edited("plain.png", "--region", "eyes", "--seeds", 3, "--donor-seed", 9, "--donor-psi", 0.3, "--plain")
    editor = Editor.of_seed(generator, 3).after(Resample("eyes", 9, psi=0.3))
    assert np.array_equal(pixels(path), drawn(editor.image()))
    assert not np.array_equal(pixels(path), drawn(Editor.of_seed(generator, 3).after(Resample("eyes", 9)).image()))


def test_transplants_are_columns_under_their_names(edited, generator, photograph):
    path = edited("t.png", "--region", "eyes", "--seeds", "1,2", "--transplant", 8, "--transplant", photograph)
    sheet = pixels(path)
    assert sheet.shape == (HEADER + NOTE + 2 * SIZE, SIZE + GAP + 3 * SIZE, 3)
    assert json.loads(Image.open(path).text["edits"]) == ["seed 8", "me"]
    for row, seed in enumerate((1, 2)):
        for column, donor in enumerate((8, generator.draw([5]))):
            editor = Editor.of_seed(generator, seed).after(Transplant("eyes", donor))
            top, left = HEADER + NOTE + row * SIZE, SIZE + GAP + column * SIZE
            assert np.array_equal(sheet[top : top + SIZE, left : left + SIZE], drawn(editor.image()))


def test_directions_go_to_both_sides(edited, generator):
    path = edited("d.png", "--region", "mouth", "--seeds", 1, "--directions", 1, "--strength", 0.5)
    sheet = pixels(path)[HEADER + NOTE :]
    for column, amount in enumerate((-1.0, 1.0)):
        editor = Editor.of_seed(generator, 1).after(DirectionEdit("mouth", 0, amount))
        left = SIZE + GAP + column * SIZE
        assert np.array_equal(sheet[:, left : left + SIZE], drawn(editor.image()))
    assert json.loads(Image.open(path).text["edits"]) == ["0: -1", "0: +1"]


def test_a_strip_shows_the_way_there(edited, generator):
    path = edited("strip.png", "--region", "eyes", "--seeds", 1, "--transplant", 8, "--interpolate")
    sheet = pixels(path)[HEADER + NOTE :]
    for column, share in enumerate((0.25, 0.5, 0.75, 1.0)):
        editor = Editor.of_seed(generator, 1).after(Transplant("eyes", 8, share))
        left = SIZE + GAP + column * SIZE
        assert np.array_equal(sheet[:, left : left + SIZE], drawn(editor.image()))


def test_a_contact_sheet_has_every_variant_and_the_original(edited, generator):
    sheet = pixels(edited("c.png", "--region", "eyes", "--seeds", 1, "--variants", 7, "--contact"))
    side = SIZE + NOTE
    assert sheet.shape == (3 * side + 2 * GAP, 3 * SIZE + 2 * GAP, 3)
    cells = [sheet[y + NOTE : y + side, x : x + SIZE] for y in range(0, 3 * side, side + GAP) for x in (0, 24, 48)]
    editor = Editor.of_seed(generator, 1)
    assert np.array_equal(cells[0], drawn(editor.image()))
    for variant in range(7):
        assert np.array_equal(cells[1 + variant], drawn(editor.preview(Resample("eyes", 10_000 + variant))))


def test_a_pasted_photograph_is_its_own_outside_the_seam(edited, generator, photograph):
    arguments = ("--projection", photograph, "--region", "eyes", "--plain")
    path = edited("me.png", *arguments, "--paste", "--feather", 1)
    own = pixels(photograph / "target.png")
    mask = Editor.of_seed(generator, 0).masks()["eyes"].numpy()
    changed = (pixels(path) != own).any(axis=2)
    near = np.zeros_like(changed)
    ys, xs = np.nonzero(mask)
    near[ys.min() - 2 : ys.max() + 3, xs.min() - 2 : xs.max() + 3] = True
    assert changed[mask == 1].all()
    assert not changed[~near].any()
    assert (pixels(edited("raw.png", *arguments)) != own)[~near].any()
    assert json.loads(Image.open(path).text["projections"]) == [str(photograph)]


def test_sheets_of_photographs_show_them_first(edited, photograph):
    sheet = pixels(edited("me.png", "--projection", photograph, "--region", "eyes", "--variants", 1, "--paste"))
    assert sheet.shape == (HEADER + NOTE + SIZE, 2 * SIZE + GAP + 2 * SIZE, 3)
    assert np.array_equal(sheet[HEADER + NOTE :, :SIZE], pixels(photograph / "target.png"))
    contact = pixels(edited("c.png", "--projection", photograph, "--region", "eyes", "--variants", 1, "--contact"))
    assert np.array_equal(contact[NOTE : NOTE + SIZE, :SIZE], pixels(photograph / "target.png"))


def test_a_gif_glides_to_the_donor_and_back(edited, generator):
    path = edited("edit.gif", "--region", "mouth", "--seeds", 1, "--variants", 1, "--plain")
    gif = Image.open(path)
    frames = [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(gif)]
    comment = json.loads(gif.info["comment"])
    editor = Editor.of_seed(generator, 1)
    there = drawn(editor.preview(Resample("mouth", 10_000))).astype(int)
    distances = [np.abs(frame - there).mean() for frame in frames]
    assert min(distances) < 2, "256 colours are enough for 256 pixels"
    assert np.abs(frames[0] - drawn(editor.image()).astype(int)).mean() < 2
    assert np.abs(frames[-1] - frames[0]).mean() < 2
    assert distances[0] > 2 * min(distances)
    assert (comment["seeds"], gif.info["loop"]) == ("1", 0)
    assert json.loads(comment["link_spec"])["links"][1]["name"] == "mouth"


def test_an_mp4_says_how_it_was_made(edited):
    path = edited("edit.mp4", "--region", "eyes", "--region", "mouth", "--seeds", "1-2", "--variants", 1)
    reader = imageio_ffmpeg.read_frames(str(path))
    size = next(reader)["size"]
    assert size[0] == 256, "room for the heading"
    assert sum(1 for _ in reader) == 2 * 2 * 22
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", path, "-f", "ffmetadata", "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    comment = next(line for line in text.splitlines() if line.startswith("comment="))
    for char in "=;#\\":
        comment = comment.replace("\\" + char, char)
    assert json.loads(comment.removeprefix("comment="))["seeds"] == "1,2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--projection", ".", "--seeds", "3"], "--projection and --seeds do not go together"),
        (["--transplant", "3", "--variants", "2"], "--transplant and --variants do not go together"),
        (["--transplant", "3", "--donor-seed", "2"], "--transplant and --donor-seed do not go together"),
        (["--transplant", "3", "--donor-psi", "0.5"], "other images are used unchanged"),
        (["--directions", "3", "--transplant", "2", "--region", "eyes"], "--directions and --transplant"),
        (["--directions", "3", "--variants", "2", "--region", "eyes"], "directions are not sampled"),
        (["--directions", "3"], "give each its own --region"),
        (["--directions", "3", "--region", "eyes+mouth"], "give each its own --region"),
        (["--feather", "3"], "--feather is the seam of --paste"),
        (["--contact", "--region", "eyes"], "one region of one image, not 1 of 8"),
        (["--contact", "--seeds", "1"], "not all of 1"),
        (["--plain", "--seeds", "1", "--region", "eyes", "--region", "mouth"], "not 2 of 1"),
        (["--plain", "--seeds", "1", "--region", "eyes", "--variants", "2"], "--plain writes one edit"),
        (["--plain", "--seeds", "1", "--region", "eyes", "--directions", "1"], "--plain writes one edit"),
        (["--plain", "--seeds", "1", "--region", "eyes", "--interpolate"], "--plain writes one edit"),
        (["--plain", "--contact", "--seeds", "1", "--region", "eyes"], "--contact and --plain"),
        (["--plain", "--cell", "64", "--seeds", "1", "--region", "eyes"], "keeps the size of the image"),
        (["--contact", "--seeds", "1", "--region", "eyes", "--out", "x.gif"], "write it to a .png"),
        (["--out", "sheet.jpg"], ".png, .mp4, .gif"),
        (["--transplant", "nowhere"], "neither a seed nor a projection"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_loaded(arguments, message, cli, tmp_path):
    path = tmp_path / "network.pt"
    path.write_bytes(b"not even a network")
    result = cli("edit", path, "--out", "sheet.png", *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_member_of_a_group_that_is_unknown_is_named(cli, linked_snapshot, tmp_path):
    result = cli("edit", linked_snapshot, "--region", "eyes+mouht", "--out", tmp_path / "x.png")
    assert result.exit_code == 2
    assert "did you mean 'mouth'" in result.output
