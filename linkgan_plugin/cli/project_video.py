"""`linkgan project clip.mp4`: which arguments are videos, what does not go with them, and their jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from .params import command_line

if TYPE_CHECKING:
    from ..inversion.video_job import VideoJob
    from .project import ProjectRequest

_NOT_OF_VIDEOS = {
    "landmarks": "they are of one photograph, and a video is cut at one square; give --crop",
    "noise": "all frames share the network's own noise; maps of their own would flicker",
}


class FrameRange(click.ParamType):
    """Frames of a video: ``10:60`` are 10 to 59, counted from 0; either side may be left out."""

    name = "first:last"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int | None]:
        """Return the first frame, and the one after the last or None."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{0,9}):(\d{0,9})", str(value))
        first, last = (int(match[1] or 0), int(match[2]) if match[2] else None) if match else (1, 0)
        if last is not None and last <= first:
            self.fail(f"{value!r}: expected first:last such as 10:60, :60 or 10: (frames 10 to 59)", param, ctx)
        return first, last


def are_videos(asked: ProjectRequest, typed: Mapping[str, str]) -> bool:
    """Return whether the arguments are videos instead of photographs.

    Args:
        asked: the command line.
        typed: as `typed_flags` returns it.
    Raises:
        click.UsageError: both kinds of files, or an option of the other kind.
    """
    from ..images.video_reader import SUFFIXES

    videos = [path for path in asked.images if path.suffix.lower() in SUFFIXES]
    if not videos:
        if "frames" in typed:
            raise click.UsageError(f"{typed['frames']} chooses frames of a video ({', '.join(SUFFIXES)})")
        return False
    if len(videos) < len(asked.images):
        other = next(path for path in asked.images if path not in videos)
        raise click.UsageError(f"{videos[0]} is a video and {other} is none; give them to two commands")
    if len({path.stem for path in videos}) < len(videos):
        raise click.UsageError("videos of one name would share a folder; rename one, or give them to two commands")
    for name, reason in _NOT_OF_VIDEOS.items():
        if name in typed:
            raise click.UsageError(f"{typed[name]} and videos do not go together: {reason}")
    return True


def video_jobs(asked: ProjectRequest, settings: Mapping[str, Any]) -> list[VideoJob]:
    """Open the files and return a job for each video.

    Raises:
        LinkGANError: a file that cannot be used, or settings out of range.
    """
    from ..checksum import file_digest
    from ..images.video_reader import frame_rate
    from ..inversion.perceptual import load_lpips
    from ..inversion.photographs import label_rows
    from ..inversion.settings import InversionSettings
    from ..inversion.video_job import VideoJob

    checked = replace(InversionSettings(**settings), noise=False)
    generator, encoder = asked.opened(checked)
    labels = label_rows(asked.images, generator, number=asked.number, camera=asked.camera)
    for path in asked.images:
        frame_rate(path)  # refuse what is not a video before the first one takes its time
    return [
        VideoJob(
            asked.out / path.stem,
            generator,
            path,
            checked,
            label,
            command_line(),
            crop=asked.crop,
            span=asked.frames or (0, None),
            lpips=load_lpips(asked.lpips, asked.device) if asked.lpips else None,
            files={"lpips": file_digest(asked.lpips)} if asked.lpips else {},
            encoder=encoder,
            batch=asked.batch,
        )
        for path, label in zip(asked.images, labels, strict=True)
    ]
