"""Writes a data set of procedural faces."""

from __future__ import annotations

import os

from torch import Tensor

from training_loops.data.faces import ATTRIBUTES, PARTS, VERSION, render, sample_attributes
from training_loops.data.procedural_files import Procedure, check_request, write_images


def write_faces(
    out: str | os.PathLike[str],
    n: int,
    size: int,
    seed: int,
    masks: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> int:
    """Write `n` faces of size x size pixels as a new zip or folder `out`, with `masks` if named, and return `n`.

    Raises DatasetError when a path exists or `size` is no power of two. For the files see `write_images`.
    """
    check_request(out, masks, n, size, _FACES.what)
    write_images(_FACES, out, sample_attributes(n, seed), None, size, seed, masks, progress)
    return n


def _draw(attributes: Tensor, cameras: Tensor | None, size: int) -> tuple[Tensor, Tensor]:
    return render(attributes, size)


_FACES = Procedure("faces", VERSION, ATTRIBUTES, PARTS, "faces", _draw, batch=64)
