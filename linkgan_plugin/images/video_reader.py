"""Reading videos with ffmpeg, frame by frame: plain files in common containers only, within a budget."""

from __future__ import annotations

import itertools
import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np

from training_loops.formats.budget import PHOTOGRAPH_PIXELS, VIDEO_FRAMES
from training_loops.formats.text import printable

from ..errors import LinkGANError
from .pixels import Pixels

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
# Containers that hold their frames themselves. Playlists (hls, concat, dash, image sequences), which make ffmpeg open
# other files, and devices are formats of their own in ffmpeg, so that this list leaves them out whatever a file's name.
_CONTAINERS = "mov,matroska,webm,avi"
_FASTEST = 240  # frames per second
_HEADER = re.compile(rb"P6\n(\d{1,6}) (\d{1,6})\n255\n")
_SHOWN = re.compile(rb"\[Parsed_showinfo_0 .* s:(\d+x\d+) ")
_ERROR = re.compile(rb"\[(?:error|fatal)\] (.*)")
_LONGEST_LOG = 1 << 20
_RATE = re.compile(rb"YUV4MPEG2 .*\bF(\d{1,9}):(\d{1,9})\b")


def frame_rate(path: Path) -> Fraction:
    """Return the frames per second of a video.

    Raises:
        LinkGANError: as for `read_frames`, or above 240 frames per second.
    """
    with _running(path, "-frames:v", "1", "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe") as (output, _):
        found = _RATE.match(output.readline(200))
        output.read()
    if found is None or 0 in (int(found[1]), int(found[2])):
        raise LinkGANError(f"{path}: holds no frames; expected a video ({', '.join(SUFFIXES)})")
    rate = Fraction(int(found[1]), int(found[2]))
    if rate > _FASTEST:
        raise LinkGANError(
            f"{path}: {float(rate):g} frames per second, expected at most {_FASTEST}; convert it to a constant rate"
        )
    return rate


def read_frames(path: Path, first: int = 0, last: int | None = None) -> Iterator[Pixels]:
    """Yield the frames of a video, uint8 [H, W, 3] each, upright, at the constant rate `frame_rate`.

    One frame is in memory at a time. ffmpeg may read this file alone and no address of a network.

    Args:
        path: a regular file.
        first: number of the first frame, from 0.
        last: number after the last frame; by default all.
    Raises:
        LinkGANError: not a video, no frame in that range, frames of different sizes, or more than `VIDEO_FRAMES`.
    """
    # `showinfo` logs the size of each frame before ffmpeg scales all to that of the first
    with _running(path, "-vf", "showinfo=checksum=0", "-f", "image2pipe", "-c:v", "ppm") as (output, log):
        number = 0
        while last is None or number < last:
            frame = _next(output, path, number)
            if frame is None:
                break
            if number - first >= VIDEO_FRAMES:
                raise LinkGANError(
                    f"{path}: more than {VIDEO_FRAMES} frames; choose fewer with --frames, such as --frames "
                    f"{first}:{first + VIDEO_FRAMES}"
                )
            if number >= first:
                yield frame
            number += 1
        _check_sizes(log, path, number)
    if number <= first:
        raise LinkGANError(f"{path}: it has {number} frames, so none from {first} on")


def _check_sizes(log: IO[bytes], path: Path, frames: int) -> None:
    """Raise LinkGANError where the first frames of a video are not of one size."""
    sizes: dict[bytes, int] = {}  # the first frame of each
    log.seek(0)
    shown = (found[1] for found in map(_SHOWN.match, log) if found)  # their own numbers start again at a new size
    for number, size in enumerate(itertools.islice(shown, frames)):
        sizes.setdefault(size, number)
    if len(sizes) > 1:
        (before, _), (after, number) = list(sizes.items())[:2]
        raise LinkGANError(
            f"{path}: frame {number} is {after.decode()}, those before it are {before.decode()}; choose frames of one "
            f"size with --frames, such as --frames 0:{number}"
        )


def _next(output: IO[bytes], path: Path, number: int) -> Pixels | None:
    """Read one image in PPM, which states the size of each frame; None at the end."""
    start = output.readline(3) + output.readline(20) + output.readline(4)
    if not start:
        return None
    header = _HEADER.fullmatch(start)
    if header is None:
        raise LinkGANError(f"{path}: frame {number} cannot be read")
    width, height = int(header[1]), int(header[2])
    if width * height > PHOTOGRAPH_PIXELS:
        raise LinkGANError(f"{path}: {width} x {height} pixels, expected at most {PHOTOGRAPH_PIXELS // 10**6} million")
    data = output.read(width * height * 3)
    if len(data) < width * height * 3:
        raise LinkGANError(f"{path}: frame {number} ends early; the video is damaged")
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


@contextmanager
def _running(path: Path, *options: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Run ffmpeg without a shell on the first video stream of a file, and give its output and its log."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        *("-nostdin", "-hide_banner", "-nostats", "-v", "level+info", "-max_pixels", str(PHOTOGRAPH_PIXELS)),
        *("-protocol_whitelist", "file", "-format_whitelist", _CONTAINERS),
        *("-i", f"file:{_regular(path)}"),  # with its protocol, no name is taken for an option or an address
        *("-map", "0:v:0", *options, "pipe:1"),
    ]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        assert process.stdout is not None
        try:
            yield process.stdout, log
            ended = process.stdout.read(1) == b""
        except BaseException:
            process.kill()
            raise
        finally:
            process.stdout.close()
            if process.poll() is None and not _ends(process):
                process.kill()
            process.wait()
        if ended and process.returncode:
            log.seek(0)
            lines = [_ERROR.search(line) for line in log.read(_LONGEST_LOG).splitlines()]
            reasons = [found[1].decode("utf-8", "replace").strip() for found in lines if found]
            reason = printable("; ".join(reasons[:2]))[:300]
            raise LinkGANError(
                f"{path}: not a readable video ({reason or 'ffmpeg failed'}); expected {', '.join(SUFFIXES)}"
            )


def _ends(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return False
    return True


def _regular(path: Path) -> Path:
    """Return the absolute path of a regular file; opening a FIFO or a device would block or do something else."""
    try:
        found = path.resolve(strict=True)
        regular = stat.S_ISREG(os.stat(found).st_mode)
    except (OSError, ValueError, RuntimeError) as error:
        raise LinkGANError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not regular:
        raise LinkGANError(f"{path}: cannot be read (a folder, FIFO, socket or device; expected a video file)")
    return found
