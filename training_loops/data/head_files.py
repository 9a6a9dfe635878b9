"""Writes a data set of procedural heads, each seen by its own camera."""

from __future__ import annotations

import os

from torch import Tensor

from training_loops.data.head_cameras import PITCH, YAW, sample_cameras
from training_loops.data.heads3d import ATTRIBUTES, PARTS, VERSION, render, sample_attributes
from training_loops.data.procedural_files import Procedure, check_request, write_images


def write_heads(
    out: str | os.PathLike[str],
    n: int,
    size: int,
    seed: int,
    masks: str | os.PathLike[str] | None = None,
    yaw: float = YAW,
    pitch: float = PITCH,
    spread: str = "uniform",
    progress: bool = False,
) -> int:
    """Write `n` heads as a new zip or folder `out`, with `masks` if named, and return `n`.

    The labels are the 25 numbers of cameras as `sample_cameras` draws them. Raises DatasetError when a path exists,
    `size` is no power of two or a camera's angle is out of range. For the files see `write_images`.
    """
    check_request(out, masks, n, size, _HEADS.what)
    cameras = sample_cameras(n, seed, yaw, pitch, spread)
    write_images(_HEADS, out, sample_attributes(n, seed), cameras, size, seed, masks, progress)
    return n


def _draw(attributes: Tensor, cameras: Tensor | None, size: int) -> tuple[Tensor, Tensor]:
    assert cameras is not None
    views = render(attributes, cameras, size)
    return views.images, views.masks


_HEADS = Procedure("heads3d", VERSION, ATTRIBUTES, PARTS, "heads", _draw, batch=16)
