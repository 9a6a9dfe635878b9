"""Reading and writing videos: what comes back, and files that are none, or that would make ffmpeg open others."""

from __future__ import annotations

import io
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.images import video_reader
from linkgan_plugin.images.video_reader import frame_rate, read_frames
from linkgan_plugin.images.video_writer import write_mp4


def flat(frames: int, width: int = 32, height: int = 16) -> list[np.ndarray]:
    """Grey frames, each 20 levels brighter than the one before."""
    return [np.full([height, width, 3], 20 * number + 10, np.uint8) for number in range(frames)]


def ffmpeg(*options: object) -> subprocess.CompletedProcess[bytes]:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", *map(str, options)]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten frames of 32 x 16 pixels."""
    write_mp4(tmp_path / "clip.mp4", flat(10), fps=Fraction(30000, 1001))
    return tmp_path / "clip.mp4"


def test_frames_come_back_in_order_at_their_rate(clip: Path) -> None:
    assert frame_rate(clip) == Fraction(30000, 1001)
    found = list(read_frames(clip))
    assert {frame.shape for frame in found} == {(16, 32, 3)}
    assert [float(frame.mean()) for frame in found] == pytest.approx([20 * number + 10 for number in range(10)], abs=3)


@pytest.mark.parametrize(("span", "numbers"), [((3, 6), [3, 4, 5]), ((8, None), [8, 9]), ((8, 99), [8, 9])])
def test_a_range_of_frames_is_read(clip: Path, span: tuple[int, int | None], numbers: list[int]) -> None:
    found = [float(frame.mean()) for frame in read_frames(clip, *span)]
    assert found == pytest.approx([20 * number + 10 for number in numbers], abs=3)


def test_a_range_beyond_the_end_is_refused(clip: Path) -> None:
    with pytest.raises(LinkGANError, match="it has 10 frames, so none from 10 on"):
        list(read_frames(clip, 10))


def test_too_many_frames_say_how_to_choose_some(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_reader, "VIDEO_FRAMES", 4)
    assert len(list(read_frames(clip, 2, 6))) == 4
    with pytest.raises(LinkGANError, match="more than 4 frames; choose fewer with --frames, such as --frames 2:6"):
        list(read_frames(clip, 2))


def test_frames_above_the_limit_are_not_decoded(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_reader, "PHOTOGRAPH_PIXELS", 100)
    with pytest.raises(
        LinkGANError,
        match=r"clip\.mp4: not a readable video \(Picture size 32x16 exceeds specified max pixel count 100",
    ):
        next(read_frames(clip))


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    jpegs = io.BytesIO()  # motion JPEG stores the size in every frame
    for frame in [*flat(5, 32), *flat(5, 48)]:
        Image.fromarray(frame).save(jpegs, format="JPEG")
    (tmp_path / "both.mjpeg").write_bytes(jpegs.getvalue())
    made = ffmpeg("-r", 24, "-f", "mjpeg", "-i", tmp_path / "both.mjpeg", "-c", "copy", tmp_path / "both.avi")
    assert made.returncode == 0, made.stderr
    with pytest.raises(LinkGANError, match="frame 5 is 48x16, those before it are 32x16"):
        list(read_frames(tmp_path / "both.avi"))
    assert len(list(read_frames(tmp_path / "both.avi", 0, 5))) == 5


@pytest.mark.parametrize(
    "text", ["ffconcat version 1.0\nfile clip.mp4\n", "#EXTM3U\n#EXTINF:2,\nclip.mp4\n#EXT-X-ENDLIST\n", "v=0\r\n"]
)
@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.mkv"])
def test_a_playlist_does_not_open_what_it_names(clip: Path, text: str, name: str) -> None:
    path = clip.parent / name
    path.write_text(text)
    if text.startswith("ffconcat"):
        assert ffmpeg("-i", path, "-f", "null", "-").returncode == 0, "ffmpeg itself would follow it"
    for read in (frame_rate, lambda path: next(read_frames(path))):
        with pytest.raises(LinkGANError, match=f"{name}: not a readable video"):
            read(path)


@pytest.mark.parametrize("name", ["-i.mp4", "http:x.mp4", "concat:a|clip.mp4", "clip%d.mp4", "pipe:0", "a b';.mp4"])
def test_a_name_is_never_an_option_or_an_address(clip: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    with pytest.raises(LinkGANError, match="cannot be read \\(No such file"):
        next(read_frames(Path(name)))
    clip.rename(name)
    assert len(list(read_frames(Path(name)))) == 10


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.mp4")
    for path in (tmp_path / "fifo.mp4", tmp_path):
        with pytest.raises(LinkGANError, match="a folder, FIFO, socket or device; expected a video file"):
            frame_rate(path)


def test_files_without_frames_are_refused_by_name(clip: Path) -> None:
    sound, empty, cut = (clip.parent / name for name in ("sound.mp4", "empty.mp4", "cut.mp4"))
    assert ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", sound).returncode == 0
    empty.write_bytes(b"")
    cut.write_bytes(clip.read_bytes()[:600])
    for path in (sound, empty, cut):
        with pytest.raises(LinkGANError, match=f"{path.name}: not a readable video .*expected .mp4, .mov"):
            frame_rate(path)
        with pytest.raises(LinkGANError, match=f"{path.name}: not a readable video"):
            next(read_frames(path))
