"""Writing frames as MP4 and GIF files."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from training_loops.formats.atomic import replacing

from .pixels import Pixels

FPS = Fraction(24)  # frames per second
_TICK = 10  # milliseconds: GIF counts in hundredths of a second, and viewers show less than two as ten


def even_sides(frame: Pixels) -> Pixels:
    """Return a frame with even sides, [H, W, 3], since video codecs halve the colour planes."""
    return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")


def write_frames(path: Path, frames: Iterable[Pixels], *, comment: str = "", fps: Fraction = FPS) -> None:
    """Write frames [H, W, 3] as .mp4 or .gif, by the suffix of `path` (see `write_mp4` and `write_gif`)."""
    write = write_gif if path.suffix.lower() == ".gif" else write_mp4
    write(path, frames, comment=comment, fps=fps)


def write_gif(path: Path, frames: Iterable[Pixels], *, comment: str = "", fps: Fraction = FPS) -> None:
    """Write frames [H, W, 3] as a looping GIF, atomically; a frame lasts whole hundredths of a second, at least two."""
    images = (Image.fromarray(frame).quantize(256, Image.Quantize.MEDIANCUT) for frame in frames)
    with replacing(path) as temporary:
        first = next(images)
        shown = max(2 * _TICK, round(1000 / fps / _TICK) * _TICK)
        options = {"duration": shown, "loop": 0, "comment": comment.encode()}
        first.save(temporary, format="GIF", save_all=True, append_images=images, disposal=1, **options)


def write_mp4(path: Path, frames: Iterable[Pixels], *, comment: str = "", fps: Fraction = FPS) -> None:
    """Write frames [H, W, 3] (all of one size) as H.264, atomically.

    `comment` (the command that made it) is stored in the file's metadata.
    """
    iterator = iter(frames)
    first = next(iterator)
    height, width = first.shape[:2]
    with replacing(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            (width, height),
            fps=float(fps),
            input_params=["-r", f"{fps.numerator}/{fps.denominator}"],  # exact; `fps` is rounded to hundredths
            ffmpeg_log_level="error",  # the second -r is a warning
            codec="libx264",
            pix_fmt_out="yuv420p",
            macro_block_size=2,
            quality=8,
            output_params=["-metadata", f"comment={comment}", "-movflags", "+faststart"],
        )
        writer.send(None)
        try:
            writer.send(np.ascontiguousarray(first))
            for frame in iterator:
                writer.send(np.ascontiguousarray(frame))
        finally:
            writer.close()
