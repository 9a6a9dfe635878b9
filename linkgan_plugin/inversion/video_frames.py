"""The frames of a video as a folder of PNG files, cut to a network's size: exact, and read one at a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from training_loops.formats.atomic import temporary_folder
from training_loops.formats.interrupt import watch_interrupt

from ..errors import Interrupted, LinkGANError
from ..images.pixels import check_channels
from ..images.png import png_bytes
from ..images.video_reader import read_frames
from .crop import cut, given_square, largest_square
from .photograph_files import from_pixels, opened

_NAME = re.compile(r"\d{6}\.png")


class Frames:
    """The frames in a folder, each read when it is asked for.

    Args:
        folder: written by `cut_frames`.
        resolution: the size of the network's images in pixels.
        channels: their channels, 1, 3 or 4.
    Raises:
        LinkGANError: no such folder, or frames that are missing.
    """

    def __init__(self, folder: Path, resolution: int, channels: int = 3) -> None:
        self.folder, self._resolution, self._channels = folder, resolution, channels
        names = sorted(path.name for path in folder.iterdir() if _NAME.fullmatch(path.name)) if folder.is_dir() else []
        if not names or names != [_name(number) for number in range(len(names))]:
            raise LinkGANError(f"{folder} does not hold all frames of a video; make it again with `linkgan project`")
        self._count = len(names)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Tensor:
        """Return a frame, float32 [1, C, R, R] in [-1, 1].

        Raises:
            LinkGANError: not an image of that size.
        """
        path, side = self.folder / _name(number), self._resolution
        with opened(path) as image:
            if image.size != (side, side):
                raise LinkGANError(
                    f"{path} is {image.width} x {image.height}, this network makes {side} x {side}; project again"
                )
            return from_pixels(image, self._channels)

    def batch(self, first: int, last: int) -> Tensor:
        """Return frames `first` to ``last - 1``, at most to the end: float32 [N, C, R, R] in [-1, 1]."""
        return torch.cat([self[number] for number in range(first, min(last, len(self)))])


def cut_frames(
    video: Path,
    folder: Path,
    resolution: int,
    channels: int = 3,
    *,
    crop: str | None = None,
    span: tuple[int, int | None] = (0, None),
    tick: Callable[[], object] | None = None,
) -> None:
    """Cut the same square out of all frames of a video and write them to a folder, which appears when all are there.

    Args:
        video: the file.
        folder: where to write.
        resolution: side of the frames in pixels.
        channels: of the network's images; others than 1, 3 and 4 cannot be shown.
        crop: the square (see `crop.given_square`); by default the largest in the middle.
        span: first frame, and the one after the last or None (see `video_reader.read_frames`).
        tick: called after every frame.
    Raises:
        LinkGANError: as for `read_frames`, or a crop that does not fit.
        Interrupted: after Ctrl-C.
    """
    check_channels(channels)
    with temporary_folder(folder) as temporary, watch_interrupt() as interrupt:
        made = temporary / folder.name
        made.mkdir()
        for number, pixels in enumerate(read_frames(video, *span)):
            image = Image.fromarray(pixels)
            try:
                square = given_square(crop, *image.size) if crop is not None else largest_square(*image.size)
                frame = cut(image, square, resolution)
            except LinkGANError as error:
                raise LinkGANError(f"{video}: {error}") from error
            (made / _name(number)).write_bytes(png_bytes(np.asarray(frame)))
            if tick is not None:
                tick()
            if interrupt.requested:
                raise Interrupted
        made.rename(folder)


def _name(number: int) -> str:
    return f"{number:06}.png"
