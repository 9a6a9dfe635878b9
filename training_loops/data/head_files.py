"""Writes a data set of procedural heads: images with camera labels, attributes, label maps, in the hosts' format."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
from torch import Tensor
from tqdm import tqdm

from training_loops.data.archive import DatasetError, check_new
from training_loops.data.folder import write_dataset
from training_loops.data.head_cameras import PITCH, YAW, sample_cameras
from training_loops.data.heads3d import ATTRIBUTES, PARTS, VERSION, Views, render, sample_attributes

_BATCH = 16


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
    """Write `n` heads, each seen by a camera of its own, as a new zip or folder `out`, and return `n`.

    `out` carries dataset.json with labels of 25 numbers and attributes.json {"renderer", "version", "seed", "names",
    "parts", "values" [n, A]}. With `masks`, a second data set holds one label map per head (grey PNG, the index in
    PARTS of the part that fills most of the pixel), the same labels, and parts.json {"parts": [...]}. Cameras are
    those of `sample_cameras`. Raises DatasetError when a path exists, `size` is no power of two or a camera's angle is
    out of range.
    """
    if n < 1:
        raise DatasetError(f"n is {n}, expected at least 1 head")
    if size < 8 or size & (size - 1):
        raise DatasetError(f"size is {size}, expected a power of two from 8 on (8, 16, 32, 64, ...)")
    check_new(out)
    if masks:
        check_new(masks)
    if masks and os.path.abspath(masks) == os.path.abspath(out):
        raise DatasetError(f"'{out}' is given for the images and for the masks; give them two names")
    attributes, cameras = sample_attributes(n, seed), sample_cameras(n, seed, yaw, pitch, spread)
    labels = cameras.tolist()
    with tqdm(total=n * (2 if masks else 1), desc="Rendering heads", unit="img", disable=not progress) as bar:
        if masks:
            maps = (_label_map(views) for views in _views(attributes, cameras, size, bar))
            write_dataset(masks, _each(maps), labels, extra={"parts.json": {"parts": PARTS}})
        pictures = (_picture(views) for views in _views(attributes, cameras, size, bar))
        write_dataset(out, _each(pictures), labels, extra={"attributes.json": _description(attributes, seed)})
    return n


def _description(attributes: Tensor, seed: int) -> dict[str, object]:
    return {
        "renderer": "heads3d",
        "version": VERSION,
        "seed": seed,
        "names": [attribute.name for attribute in ATTRIBUTES],
        "parts": [attribute.part for attribute in ATTRIBUTES],
        "values": [[round(value, 6) for value in row] for row in attributes.tolist()],
    }


def _views(attributes: Tensor, cameras: Tensor, size: int, bar: tqdm) -> Iterator[Views]:
    for some, seen_by in zip(attributes.split(_BATCH), cameras.split(_BATCH), strict=True):
        yield render(some, seen_by, size)
        bar.update(len(some))


def _each(batches: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    for batch in batches:
        yield from batch


def _picture(views: Views) -> np.ndarray:
    pixels = ((views.images + 1) * 127.5).round().clamp(0, 255).byte()
    return pixels.permute(0, 2, 3, 1).contiguous().numpy()


def _label_map(views: Views) -> np.ndarray:
    return views.masks.argmax(1).byte().numpy()
