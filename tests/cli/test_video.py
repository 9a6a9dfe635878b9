"""`linkgan project clip.mp4` and `linkgan edit` of its result: one edit of all frames, resumed, measured, refused."""

from __future__ import annotations

import json
import os
import signal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from linkgan_plugin import Editor, LinkedGenerator, Resample, load_network, load_projected_video
from linkgan_plugin.images.pixels import to_pixels
from linkgan_plugin.images.video_reader import frame_rate, read_frames
from linkgan_plugin.images.video_writer import write_mp4
from linkgan_plugin.inversion.video_stages import VideoInversion
from training_loops.data.faces import render, sample_attributes

COUNT = 4
QUICK = ["--steps", 10, "--tune", 2]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A procedural face that changes from frame to frame."""
    attributes = torch.lerp(*(sample_attributes(1, seed) for seed in (0, 1)), torch.linspace(0, 1, COUNT)[:, None])
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_mp4(path, to_pixels(render(attributes, 32)[0]), fps=Fraction(30000, 1001))
    return path


@pytest.fixture(scope="module")
def finished(cli, clip, linked_snapshot, tmp_path_factory) -> Path:
    """The folder of its projection."""
    out = tmp_path_factory.mktemp("projections") / "out"
    result = cli("project", clip, "--network", linked_snapshot, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    assert f"wrote the projections of 4 frames to {out / 'clip'}; open {out / 'clip' / 'proj.mp4'}" in result.output
    return out / "clip"


@pytest.fixture(scope="module")
def generator(linked_snapshot) -> LinkedGenerator:
    network = load_network(linked_snapshot)
    return LinkedGenerator(network.generator, network.linked())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_video_gets_one_folder_with_the_latents_of_all_frames(finished, clip):
    assert names(finished) == [
        *("frames", "metrics.json", "proj.mp4", "project.json", "projected_w.npz", "tuned.safetensors")
    ]
    latents = np.load(finished / "projected_w.npz", allow_pickle=False)["w"]
    assert (latents.dtype, latents.shape) == (np.float32, (COUNT, 6, 16))
    found = json.loads((finished / "metrics.json").read_text())
    assert (found["video"], found["frames"], found["fps"], found["noise"]) == ("clip.mp4", COUNT, "30000/1001", False)
    assert found["psnr"] == pytest.approx(np.mean(found["by_frame"]["psnr"]), abs=1e-4)
    assert found["jitter"] > 0
    assert found["sha256"].keys() == {"video", "network"}
    assert frame_rate(finished / "proj.mp4") == Fraction(30000, 1001)
    assert {frame.shape for frame in read_frames(finished / "proj.mp4")} == {(160, 320, 3)}


@pytest.mark.parametrize("after", [3, 24])
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(
    after, cli, finished, clip, linked_snapshot, tmp_path, monkeypatch
):
    arguments = ["project", clip, "--network", linked_snapshot, "--out", tmp_path, *QUICK]
    real, calls = VideoInversion.advance, []

    def advance(inversion: VideoInversion) -> None:
        real(inversion)
        calls.append(inversion)
        if len(calls) == after:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(VideoInversion, "advance", advance)
    stopped = cli(*arguments)
    assert stopped.exit_code == 130, stopped.output
    assert "resume with the same command" in stopped.output
    assert not (tmp_path / "clip" / "metrics.json").exists()
    result = cli(*arguments)
    assert result.exit_code == 0, result.output
    assert len(calls) == 10 + 10 + 3 * 1 + 2  # W and W+ of the first frame, one step of each further one, tuning
    assert names(tmp_path / "clip") == names(finished)
    ours, theirs = (np.load(folder / "projected_w.npz") for folder in (tmp_path / "clip", finished))
    assert np.array_equal(ours["w"], theirs["w"])
    assert (tmp_path / "clip" / "proj.mp4").stat().st_size > 0
    assert cli(*arguments).exit_code == 0
    assert len(calls) == 25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--frames", "1:3"], "span [0, None] there, [1, 3] now"),
        (["--crop", "0,0,16,16"], "crop None there, '0,0,16,16' now"),
        (["--seed", "1"], "seed 0 there, 1 now"),
    ],
)
def test_another_command_in_the_same_folder_is_refused(options, message, cli, finished, clip, linked_snapshot):
    result = cli("project", clip, "--network", linked_snapshot, "--out", finished.parent, *QUICK, *options)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--landmarks", "{clip}"], "--landmarks and videos do not go together: they are of one photograph"),
        (["--noise"], "would flicker"),
        (["--frames", "9:"], "it has 4 frames, so none from 9 on"),
        (["--frames", "3:2"], "expected first:last such as 10:60"),
        (["--crop", "0,0,64,64"], "not inside 32 x 32"),
        (["{png}"], "is a video and"),
    ],
)
def test_mistakes_are_one_line(options, message, cli, clip, linked_snapshot, tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "me.png")
    options = [option.format(clip=clip, png=tmp_path / "me.png") for option in options]
    result = cli("project", clip, "--network", linked_snapshot, "--out", tmp_path / "out", *QUICK, *options)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not list((tmp_path / "out").rglob("*.*")), "the corrected command can use the folder"


def test_frames_are_of_videos_alone(cli, linked_snapshot, tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "me.png")
    result = cli("project", tmp_path / "me.png", "--network", linked_snapshot, "--out", tmp_path, "--frames", "1:")
    assert result.exit_code == 2
    assert "--frames chooses frames of a video" in result.output


def test_what_is_called_mp4_and_is_none_leaves_nothing(cli, linked_snapshot, tmp_path):
    (tmp_path / "fake.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    result = cli("project", tmp_path / "fake.mp4", "--network", linked_snapshot, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "fake.mp4: not a readable video" in result.output
    assert not (tmp_path / "out").exists()


def test_all_frames_get_the_same_donor_and_the_video_says_how_it_jitters(
    cli, finished, generator, linked_snapshot, tmp_path, monkeypatch
):
    shown = []
    real = Editor.after
    monkeypatch.setattr(Editor, "after", lambda self, step: shown.append(step) or real(self, step))
    out = tmp_path / "edited.mp4"
    options = ["--region", "eyes", "--variants", 1, "--donor-seed", 9, "--consistent", 3, "--paste", "--plain"]
    result = cli("edit", linked_snapshot, "--projection", finished, *options, "--out", out)
    assert result.exit_code == 0, result.output
    assert len(shown) == COUNT
    assert len({step.seed for step in shown}) == 1
    assert shown[0].seed in (9, 10, 11)
    assert frame_rate(out) == Fraction(30000, 1001)
    assert {frame.shape for frame in read_frames(out)} == {(16, 16, 3)}
    found = json.loads((tmp_path / "edited.json").read_text())
    assert (found["frames"], found["fps"]) == (COUNT, "30000/1001")
    assert found["jitter"]["inside"] > found["jitter"]["outside"]
    assert f"jitter in levels of 255: {found['jitter']['inside']:.2f} inside" in result.output
    again = cli("edit", linked_snapshot, "--projection", finished, *options, "--out", out)
    assert again.exit_code == 2
    assert "--force" in again.output


def test_a_pasted_frame_is_the_editors_and_its_own_outside_the_seam(finished, generator):
    from linkgan_plugin import VideoEditor

    video = load_projected_video(finished, generator.generator)
    step = Resample("eyes", seed=9)
    editor = VideoEditor(generator, video)
    for number, frame in enumerate(editor.frames(step, paste=True, feather=0)):
        one = Editor.of_projected(generator, video.frame(number)).after(step)
        assert torch.equal(frame.image, one.pasted(0))
        assert torch.equal(frame.image[:, :, frame.mask == 0], frame.source[:, :, frame.mask == 0])
        assert torch.equal(frame.source, video.frames[number])
    assert number == COUNT - 1


def test_a_gif_shows_frames_before_and_after_below_a_heading(cli, finished, linked_snapshot, tmp_path):
    out = tmp_path / "edited.gif"
    options = ["--region", "eyes+mouth", "--transplant", 5, "--cell", 16]
    result = cli("edit", linked_snapshot, "--projection", finished, *options, "--out", out)
    assert result.exit_code == 0, result.output
    with Image.open(out) as gif:
        assert (gif.n_frames, gif.size, gif.info["duration"]) == (COUNT, (256, 32 + 2 * (24 + 16)), 30)
        assert json.loads(json.loads(gif.info["comment"])["edits"]) == ["seed 5"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--region", "eyes", "--variants", 3, "--out", "x.mp4"], "one edit for all frames"),
        (["--region", "eyes", "--transplant", 1, "--transplant", 2, "--out", "x.mp4"], "one edit for all frames"),
        (["--region", "eyes", "--out", "x.png"], "so its edit is a .mp4 or .gif"),
        (["--out", "x.mp4"], "give one --region (eyes+mouth edits both together)"),
        (["--region", "eyes", "--region", "mouth", "--out", "x.mp4"], "give one --region"),
        (["--region", "eyes", "--directions", 1, "--out", "x.mp4"], "give a file of directions"),
        (["--region", "eyes", "--interpolate", "--out", "x.mp4"], "every frame gets the whole edit"),
        (["--region", "eyes", "--projection", ".", "--out", "x.mp4"], "give its --projection alone"),
    ],
)
def test_more_than_one_edit_of_a_video_is_refused(
    options, message, cli, finished, linked_snapshot, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = cli("edit", linked_snapshot, "--projection", finished, *options)
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


def test_all_frames_move_as_far_along_a_direction(cli, finished, linked_snapshot, tmp_path, monkeypatch):
    path = tmp_path / "found.safetensors"
    made = cli("directions", linked_snapshot, "--method", "sefa", "--count", 2, "--out", path)
    assert made.exit_code == 0, made.output
    steps = []
    real = Editor.after
    monkeypatch.setattr(Editor, "after", lambda self, step: steps.append(step) or real(self, step))
    options = ["--directions", path, "--direction", 1, "--amount", 2, "--plain", "--out", tmp_path / "moved.mp4"]
    result = cli("edit", linked_snapshot, "--projection", finished, *options)
    assert result.exit_code == 0, result.output
    assert [(step.direction, step.std) for step in steps] == [(1, 2.0)] * COUNT
