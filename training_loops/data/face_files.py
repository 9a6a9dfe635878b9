"""Writes a data set of procedural faces: images, attributes and label maps, in the hosts' format."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import torch
from tqdm import tqdm

from training_loops.data.archive import DatasetError, check_new
from training_loops.data.faces import ATTRIBUTES, PARTS, VERSION, render, sample_attributes
from training_loops.data.folder import write_dataset

_BATCH = 64


def write_faces(
    out: str | os.PathLike[str],
    n: int,
    size: int,
    seed: int,
    masks: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> int:
    """Write `n` faces of size x size pixels as a new zip or folder `out`, and return `n`.

    `out` carries attributes.json {"renderer", "version", "seed", "names", "parts", "values" [n, A]}. With `masks`, a
    second data set holds one label map per face (grey PNG, the index in PARTS of the part that fills most of the
    pixel) and parts.json {"parts": [...]}. Raises DatasetError when a path exists or `size` is no power of two.
    """
    if n < 1:
        raise DatasetError(f"n is {n}, expected at least 1 face")
    if size < 8 or size & (size - 1):
        raise DatasetError(f"size is {size}, expected a power of two from 8 on (8, 16, 32, 64, ...)")
    check_new(out)
    if masks:
        check_new(masks)
    if masks and os.path.abspath(masks) == os.path.abspath(out):
        raise DatasetError(f"'{out}' is given for the images and for the masks; give them two names")
    attributes = sample_attributes(n, seed)
    bar = tqdm(total=n * (2 if masks else 1), desc="Painting faces", unit="img", disable=not progress)
    with bar:
        if masks:
            write_dataset(masks, _label_maps(attributes, size, bar), extra={"parts.json": {"parts": PARTS}})
        write_dataset(out, _pictures(attributes, size, bar), extra={"attributes.json": _description(attributes, seed)})
    return n


def _description(attributes: torch.Tensor, seed: int) -> dict[str, object]:
    return {
        "renderer": "faces",
        "version": VERSION,
        "seed": seed,
        "names": [attribute.name for attribute in ATTRIBUTES],
        "parts": [attribute.part for attribute in ATTRIBUTES],
        "values": [[round(value, 6) for value in row] for row in attributes.tolist()],
    }


def _pictures(attributes: torch.Tensor, size: int, bar: tqdm) -> Iterator[np.ndarray]:
    for batch in attributes.split(_BATCH):
        images, _ = render(batch, size)
        pixels = ((images + 1) * 127.5).round().clamp(0, 255).byte()
        yield from pixels.permute(0, 2, 3, 1).contiguous().numpy()
        bar.update(len(batch))


def _label_maps(attributes: torch.Tensor, size: int, bar: tqdm) -> Iterator[np.ndarray]:
    for batch in attributes.split(_BATCH):
        _, masks = render(batch, size)
        yield from masks.argmax(1).byte().numpy()
        bar.update(len(batch))
