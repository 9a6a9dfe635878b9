"""The inversion of a video's frames: resumed to the bit, the same in batches of any size, and its files."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from linkgan_plugin import Editor, LinkedGenerator, LinkSpec, Resample, VideoEditor, load_projected_video, project_video
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.images.pixels import to_pixels
from linkgan_plugin.images.video_reader import frame_rate, read_frames
from linkgan_plugin.images.video_writer import write_mp4
from linkgan_plugin.inversion.perceptual import PyramidDistance
from linkgan_plugin.inversion.rendering import Renderer
from linkgan_plugin.inversion.settings import InversionSettings
from linkgan_plugin.inversion.video_frames import Frames, cut_frames
from linkgan_plugin.inversion.video_stages import VideoInversion
from tests.inversion.test_details import detailed
from tests.inversion.test_encoder import encoder_of
from training_loops.data.faces import render, sample_attributes

COUNT = 5
SPEC = LinkSpec.parse(["eyes=0:3@box(0.25,0.3,0.75,0.6)"], dim=8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A procedural face whose attributes change from frame to frame, 48 x 40 pixels."""
    attributes = torch.lerp(*(sample_attributes(1, seed) for seed in (0, 1)), torch.linspace(0, 1, COUNT)[:, None])
    images = torch.nn.functional.pad(render(attributes, 40)[0], (4, 4, 0, 0), mode="replicate")
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_mp4(path, to_pixels(images), fps=Fraction(25))
    return path


@pytest.fixture
def frames(clip, tmp_path) -> Frames:
    cut_frames(clip, tmp_path / "frames", 16)
    return Frames(tmp_path / "frames", 16)


def inversion_of(generator, frames, batch: int = 2, **settings) -> VideoInversion:
    checked = InversionSettings(noise=False, **settings)
    encoder = None if checked.method == "search" else encoder_of(generator)
    return VideoInversion(generator, frames, torch.zeros(1, 0), checked, PyramidDistance(), encoder, batch)


def finish(inversion: VideoInversion) -> VideoInversion:
    while not inversion.is_finished:
        inversion.advance()
    return inversion


def test_frames_are_those_of_the_video_in_the_middle_at_the_size_of_the_network(clip, frames, tmp_path):
    assert (len(frames), frames.batch(3, 9).shape) == (COUNT, (2, 3, 16, 16))
    cut_frames(clip, tmp_path / "left", 40, crop="0,0,40,40", span=(1, 3))
    left = Frames(tmp_path / "left", 40)
    assert len(left) == 2
    assert np.array_equal(to_pixels(left[0])[0], list(read_frames(clip))[1][:, :40])


def test_frames_that_are_missing_or_of_another_size_are_named(frames):
    with pytest.raises(LinkGANError, match=r"000000\.png is 16 x 16, this network makes 32 x 32"):
        _ = Frames(frames.folder, 32)[0]
    (frames.folder / "000002.png").unlink()
    with pytest.raises(LinkGANError, match="does not hold all frames of a video"):
        Frames(frames.folder, 16)


def test_an_encoder_gives_each_frame_what_it_gives_a_photograph_in_batches_of_any_size(generator, frames):
    found = finish(inversion_of(generator, frames, method="restyle")).latents
    encoder, renderer = encoder_of(generator), Renderer(generator)
    for number in range(COUNT):
        one = encoder.refine(renderer, frames[number], torch.zeros(1, 0), encoder.start(1), encoder.passes)
        assert torch.allclose(found[[number]], one, atol=1e-5)
    other = finish(inversion_of(generator, frames, batch=5, method="restyle")).latents
    assert torch.allclose(found, other, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 10, "space": "w"},
        {"steps": 10, "tune": 7, "locality": 0.1},
        {"method": "tune", "tune": 6},
        {"method": "encoder"},
    ],
    ids=["w", "w+ tuned", "tune", "encoder"],
)
def test_an_inversion_is_resumed_to_the_bit_after_any_step(settings, generator, frames):
    whole = finish(inversion_of(generator, frames, **settings))
    assert whole.steps_done == whole.total
    assert whole.latents.shape == (COUNT, 6, 8)
    stopped = inversion_of(generator, frames, **settings)
    while not stopped.is_finished:
        before = stopped.steps_done
        stopped.advance()
        assert stopped.steps_done > before
        again = inversion_of(generator, frames, **settings)
        again.restore(stopped.state())
        assert again.steps_done == stopped.steps_done
        stopped = again
    assert torch.equal(stopped.latents, whole.latents)
    assert stopped.tuned.keys() == whole.tuned.keys()
    assert all(torch.equal(stopped.tuned[name], whole.tuned[name]) for name in whole.tuned)
    assert bool(whole.tuned) == bool(settings.get("tune"))


def test_the_search_starts_each_frame_near_the_one_before(generator, frames):
    found = finish(inversion_of(generator, frames, steps=40, space="w")).latents[:, 0]
    assert (found[1:] - found[:-1]).norm(dim=1).max() < 0.5 * (found[0] - generator.mapping.w_avg).norm()


def test_tuning_shows_every_frame_once_before_any_twice(generator, frames, monkeypatch):
    shown = []
    real = Frames.__getitem__
    monkeypatch.setattr(Frames, "__getitem__", lambda self, number: shown.append(number) or real(self, number))
    inversion = inversion_of(generator, frames, method="tune", tune=2 * COUNT)
    while inversion.steps_done < COUNT:
        inversion.advance()
    shown.clear()
    finish(inversion)
    assert sorted(shown[:COUNT]) == sorted(shown[COUNT:]) == list(range(COUNT))


def test_a_video_is_projected_and_edited_in_python(generator, clip, tmp_path):
    video = project_video(generator, clip, tmp_path / "clip", method="restyle", encoder=encoder_of(generator))
    assert (len(video), video.fps, video.latents.shape) == (COUNT, 25, (COUNT, 6, 8))
    assert np.load(tmp_path / "clip" / "projected_w.npz").files == ["w", "label"]
    linked = LinkedGenerator(generator, SPEC)
    jitter = VideoEditor(linked, video).write(tmp_path / "edited.mp4", Resample("eyes", seed=7), paste=True)
    assert jitter["inside"] > jitter["outside"] >= 0
    assert frame_rate(tmp_path / "edited.mp4") == 25
    assert len(list(read_frames(tmp_path / "edited.mp4"))) == COUNT


def test_every_frame_keeps_its_own_details(generator, clip, tmp_path):
    encoder, g = detailed(generator), LinkedGenerator(generator, SPEC)
    video = project_video(g, clip, tmp_path / "clip", method="details", encoder=encoder)
    assert load_projected_video(tmp_path / "clip", generator).detailed
    step = Resample("eyes", seed=7)
    edited = list(VideoEditor(g, video, encoder).frames(step))
    plain = list(VideoEditor(g, video).frames(step))
    for number in range(COUNT):
        alone = Editor.of_photograph(g, video.frames[number], encoder)
        assert torch.allclose(alone.start, video.latents[number : number + 1], atol=1e-5)
        assert torch.allclose(alone.after(step).image(), edited[number].image, atol=1e-4)
        assert (edited[number].image - plain[number].image).abs().max() > 1e-3
    with pytest.raises(LinkGANError, match="has no details"):
        VideoEditor(g, video, encoder_of(generator))
    with pytest.raises(LinkGANError, match="method 'details' there, 'restyle' now"):
        project_video(g, clip, tmp_path / "clip", method="restyle", encoder=encoder)


def test_tuned_weights_are_those_of_all_frames(generator, clip, tmp_path):
    encoder = encoder_of(generator)
    video = project_video(generator, clip, tmp_path / "clip", method="tune", tune=3, encoder=encoder)
    assert video.tuned
    assert video.applied(generator) is not generator
    assert video.frame(1).tuned.keys() == video.tuned.keys()
    again = load_projected_video(tmp_path / "clip", generator)
    assert torch.equal(again.latents, video.latents)
    assert torch.equal(again.frames[2], video.frames[2])


@pytest.mark.parametrize(
    ("fps", "message"), [("1/0", "fps is"), ("inf", "fps is"), (None, "fps is null"), ("1e9", "expected frames per")]
)
def test_a_folder_with_another_rate_is_refused(fps, message, generator, clip, tmp_path):
    project_video(generator, clip, tmp_path / "clip", method="encoder", encoder=encoder_of(generator))
    path = tmp_path / "clip" / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "fps": fps}))
    with pytest.raises(LinkGANError, match=message):
        load_projected_video(tmp_path / "clip", generator)


def test_a_folder_of_other_latents_or_one_that_is_not_finished_is_refused(generator, clip, tmp_path):
    folder = tmp_path / "clip"
    project_video(generator, clip, folder, method="encoder", encoder=encoder_of(generator))
    np.savez(folder / "projected_w.npz", w=np.zeros([COUNT - 1, 6, 8], np.float32))
    with pytest.raises(LinkGANError, match=r"latents \[4, 6, 8\]; 5 frames of this network take \[5, 6, 8\]"):
        load_projected_video(folder, generator)
    (folder / "metrics.json").unlink()
    with pytest.raises(LinkGANError, match="is not finished; resume it"):
        load_projected_video(folder, generator)
    with pytest.raises(LinkGANError, match="holds no frames of a video"):
        load_projected_video(tmp_path, generator)
