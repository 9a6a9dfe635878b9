"""Writes the output of a procedural renderer as a data set in the hosts' format: images, attributes, label maps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from tqdm import tqdm

from training_loops.data.faces import Attribute
from training_loops.formats.archive import DatasetError, check_new
from training_loops.formats.folder import write_dataset
from training_loops.formats.pixels import to_uint8


@dataclass(frozen=True)
class Procedure:
    """How a kind of image is drawn.

    Attributes:
        renderer: its name, stored in the data set.
        version: of the renderer, stored in the data set.
        attributes: inputs of an image.
        parts: channels of the masks.
        what: the plural noun in messages, such as "faces".
        draw: attributes [n, A], cameras [n, 25] or None, size -> images [n, 3, S, S] in [-1, 1], masks [n, P, S, S].
        batch: images drawn at once.
    """

    renderer: str
    version: int
    attributes: Sequence[Attribute]
    parts: Sequence[str]
    what: str
    draw: Callable[[Tensor, Tensor | None, int], tuple[Tensor, Tensor]]
    batch: int


def check_request(
    out: str | os.PathLike[str], masks: str | os.PathLike[str] | None, n: int, size: int, what: str
) -> None:
    """Raise DatasetError where the files exist, or `n` or `size` is invalid for a data set."""
    if n < 1:
        raise DatasetError(f"n is {n}, expected at least 1 of the {what}")
    if size < 8 or size & (size - 1):
        raise DatasetError(f"size is {size}, expected a power of two from 8 on (8, 16, 32, 64, ...)")
    check_new(out)
    if masks:
        check_new(masks)
    if masks and os.path.abspath(masks) == os.path.abspath(out):
        raise DatasetError(f"'{out}' is given for both the images and the masks; use two names")


def write_images(
    procedure: Procedure,
    out: str | os.PathLike[str],
    attributes: Tensor,
    cameras: Tensor | None,
    size: int,
    seed: int,
    masks: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> None:
    """Write images of attributes [n, A], seen by the cameras of labels [n, 25] if any, as a new zip or folder `out`.

    `out` carries attributes.json {"renderer", "version", "seed", "names", "parts", "values" [n, A]}. With `masks`, a
    second data set contains one label map per image (grey PNG, the index of the part that covers most of the pixel),
    the same labels, and parts.json {"parts": [...]}.
    """
    labels = None if cameras is None else cameras.tolist()
    passes = 2 if masks else 1
    with tqdm(
        total=passes * len(attributes), desc=f"Drawing {procedure.what}", unit="img", disable=not progress
    ) as bar:

        def each(encode: Callable[[Tensor, Tensor], np.ndarray]) -> Iterator[np.ndarray]:
            for first in range(0, len(attributes), procedure.batch):
                rows = slice(first, first + procedure.batch)
                seen_by = None if cameras is None else cameras[rows]
                drawn = encode(*procedure.draw(attributes[rows], seen_by, size))
                yield from drawn
                bar.update(len(drawn))

        if masks:
            write_dataset(masks, each(_label_map), labels, extra={"parts.json": {"parts": procedure.parts}})
        description = _description(procedure, attributes, seed)
        write_dataset(out, each(_image), labels, extra={"attributes.json": description})


def _description(procedure: Procedure, attributes: Tensor, seed: int) -> dict[str, object]:
    return {
        "renderer": procedure.renderer,
        "version": procedure.version,
        "seed": seed,
        "names": [attribute.name for attribute in procedure.attributes],
        "parts": [attribute.part for attribute in procedure.attributes],
        "values": [[round(value, 6) for value in row] for row in attributes.tolist()],
    }


def _image(images: Tensor, masks: Tensor) -> np.ndarray:
    return to_uint8(images).permute(0, 2, 3, 1).contiguous().numpy()


def _label_map(images: Tensor, masks: Tensor) -> np.ndarray:
    return masks.argmax(1).byte().numpy()
