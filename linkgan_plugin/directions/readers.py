"""Readers of attributes as the command line names them: the demo's classifier, a file of labels, or a folder."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from training_loops.data.faces import ATTRIBUTES
from training_loops.formats.files import read_file

from ..calls.random_state import check_seed
from ..errors import LinkGANError
from ..images.pixels import rgb
from ..metrics.face_classifier import SIZE, load_face_classifier
from .classifier import open_classifier
from .task import LabelledSamples, Reader

FACES = "faces"
_LARGEST = 64 << 20  # bytes of a file of labels
_MOST_NAMES = 4096
_EXPECTED = f"'{FACES}', a .csv file of labels by seed, or the folder of a Hugging Face image classification model"


def reader_from(text: str, device: torch.device | str = "cpu") -> Reader | LabelledSamples:
    """Return the reader that a user names.

    Args:
        text: `faces`, the path of a .csv file (see `labelled_samples`), or that of a folder (see `open_classifier`).
        device: of the images that will be read.
    Raises:
        LinkGANError: none of these, or one that cannot be read.
    """
    if text == FACES:
        return FaceReader(device)
    path = Path(text)
    if path.is_dir():
        return open_classifier(path, device)
    if path.suffix.lower() == ".csv" or path.is_file():
        return labelled_samples(path)
    raise LinkGANError(f"no reader of attributes '{text:.200}': expected {_EXPECTED}")


class FaceReader:
    """Reads the attributes of procedural faces, with gradients, by the classifier that comes with this package.

    Args:
        device: of the images.
    """

    names = tuple(attribute.name for attribute in ATTRIBUTES)

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._network = load_face_classifier(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] in [-1, 1] to attributes [N, A], about [0, 1]."""
        small = interpolate(rgb(images).float(), size=(SIZE, SIZE), mode="area")
        found: Tensor = self._network(small)[1]
        return found


def labelled_samples(path: Path) -> LabelledSamples:
    """Read the labels that people gave to generated images: a line `seed,NAME,NAME,...`, then a line for each image.

    Args:
        path: CSV in UTF-8; seeds are whole numbers from 0 to 2^32 - 1, each at most once, values finite numbers.
    Raises:
        LinkGANError: no such file, or a line that is not so; names it.
    """
    try:
        rows = list(_rows(read_file(path, _LARGEST).decode("utf-8-sig")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise LinkGANError(f"{path}: not a CSV file in UTF-8 ({error!s:.100})") from error
    if len(rows) < 2:
        raise LinkGANError(f"{path}: {len(rows)} lines; expected 'seed,NAME,...' and then a line for each image")
    names = tuple(name.strip() for name in rows[0][1][1:])
    if rows[0][1][0].strip() != "seed" or not 1 <= len(names) <= _MOST_NAMES or not all(names):
        raise LinkGANError(f"{path}: its first line is {','.join(rows[0][1])!r:.100}; expected 'seed,NAME,NAME,...'")
    if len(set(names)) < len(names):
        raise LinkGANError(f"{path}: two columns have the same name; expected unique names, not {names!r:.200}")
    seeds: dict[int, list[float]] = {}
    for line, row in rows[1:]:
        seed, values = _numbers(row, len(names), f"{path}, line {line}")
        if seed in seeds:
            raise LinkGANError(f"{path}, line {line}: seed {seed} a second time; expected one line for each image")
        seeds[seed] = values
    return LabelledSamples(names, tuple(seeds), torch.tensor(list(seeds.values())))


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not blank, with their numbers from 1 on."""
    reader = csv.reader(text.splitlines(keepends=True))
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


def _numbers(row: list[str], count: int, where: str) -> tuple[int, list[float]]:
    if len(row) != count + 1:
        raise LinkGANError(f"{where}: {len(row)} values, expected a seed and {count} numbers")
    try:
        seed, values = int(row[0]), [float(cell) for cell in row[1:]]
    except ValueError as error:
        raise LinkGANError(f"{where}: {','.join(row)!r:.100}, expected a seed and {count} numbers") from error
    if not all(math.isfinite(value) for value in values):
        raise LinkGANError(f"{where}: {','.join(row)!r:.100}, expected finite numbers")
    return check_seed(seed, f"{where}: seed"), values
