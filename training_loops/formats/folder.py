"""Image data sets in the hosts' format: a zip or folder of images plus dataset.json with their labels."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from training_loops.formats.archive import ArchiveReader, DatasetError, dataset_errors, new_archive
from training_loops.formats.budget import MOST_CLASSES
from training_loops.formats.png import HEADER_BYTES, check_side, decode, encode, is_image, png_shape

Label = int | Sequence[float]
_EXPECTED = "expected one class (an integer from 0 on) or one vector of finite numbers per image"
_CHECKED = 256  # images whose shape is read when a data set is opened
_MISSING = object()
_LARGEST = float(np.finfo(np.float32).max)


class ImageFolderDataset(torch.utils.data.Dataset):
    """Square images of one size, read as the hosts read them: sorted names, then `max_size`, then `xflip`.

    Items are (uint8 [C, H, W], float32 [label_dim]); class labels become one-hot. `batch` keeps decoded images in
    memory when all of them fit into `cache_bytes`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        resolution: int | None = None,
        use_labels: bool = False,
        max_size: int | None = None,
        xflip: bool = False,
        random_seed: int = 0,
        cache_bytes: int = 2 << 30,
    ):
        """Open a zip or folder. Raises DatasetError when the path, the images or the labels are invalid."""
        self._archive = ArchiveReader(path)
        self.path = self._archive.path
        self._names = self._archive.names.chosen(
            np.flatnonzero(np.fromiter(map(is_image, self._archive.names), bool, len(self._archive.names)))
        )
        if not self._names:
            raise DatasetError(f"data '{path}': contains no images; expected files such as 00000/img00000000.png")
        self.image_shape = self._check_shapes(resolution)
        self._labels = self._read_labels() if use_labels else np.zeros([len(self._names), 0], np.float32)
        order = np.arange(len(self._names))
        if max_size is not None and max_size < 1:
            raise DatasetError(f"max_size is {max_size}, expected at least 1 image")
        if max_size is not None and len(order) > max_size:
            # The hosts' choice of images: their legacy generator, so the same seed keeps the same images.
            np.random.RandomState(random_seed).shuffle(order)
            order = np.sort(order[:max_size])
        # Classes are int64 [N], vectors float32 [N, label_dim].
        self._label_dim = int(self._labels.max()) + 1 if self._labels.ndim == 1 else self._labels.shape[1]
        self._raw_index = np.tile(order, 2) if xflip else order
        self._flipped = np.arange(len(self._raw_index)) >= len(order)
        self._may_cache = len(self._names) * int(np.prod(self.image_shape)) <= cache_bytes
        self._cache: np.ndarray | None = None
        self._cached = np.zeros(len(self._names), bool)

    def _check_shapes(self, resolution: int | None) -> list[int]:
        """Return [C, H, W] of every image, from the headers of `_CHECKED` of them; the others are checked when read."""
        first = self._shape(self._names[0])
        channels, height, width = first
        label = f"data '{self.path}': '{self._names[0]}'"
        if height != width or height & (height - 1) or height < 4:
            raise DatasetError(
                f"{label} is {width}x{height}, expected a square with a side of 2^k; crop and resize first"
            )
        if channels not in (1, 3):
            raise DatasetError(
                f"{label} has {channels} channels, expected 1 (grey) or 3 (RGB); convert the images first"
            )
        if resolution is not None and height != resolution:
            raise DatasetError(f"data '{self.path}' is {width}x{height}, but resolution {resolution} was requested")
        for row in np.unique(np.linspace(0, len(self._names) - 1, _CHECKED).astype(int))[1:]:
            self._check_shape(self._names[row], self._shape(self._names[row]), first)
        return list(first)

    def _check_shape(self, name: str, shape: Sequence[int], first: Sequence[int]) -> None:
        if tuple(shape) != tuple(first):
            raise DatasetError(
                f"{self._named(name)} is {_describe(shape)}, but '{self._names[0]}' is {_describe(first)}; "
                "all must have one size and the same channels"
            )

    def _shape(self, name: str) -> tuple[int, int, int]:
        shape = png_shape(self._archive.head(name, HEADER_BYTES)) if name.lower().endswith(".png") else None
        if shape is None:
            return tuple(self._decode(name).shape)
        with dataset_errors():
            check_side(*shape[1:], self._named(name))
        return shape

    def _decode(self, name: str) -> np.ndarray:
        data = self._archive.read(name)
        with dataset_errors():
            return decode(data, self._named(name))

    def _named(self, name: str) -> str:
        return f"data '{self.path}': '{name}'"

    def _read_labels(self) -> np.ndarray:
        """Return the labels in the images' order: int64 [N] classes or float32 [N, label_dim]."""
        found = self.read_json("dataset.json") if "dataset.json" in self._archive.names else None
        pairs = found.get("labels") if isinstance(found, dict) else None
        if not pairs:
            raise DatasetError(f"data '{self.path}' has no labels (dataset.json); add them or train without labels")
        what = f"data '{self.path}': dataset.json"
        by_name = _by_name(pairs, what)
        del found, pairs  # a million labels are large
        labels = [by_name.get(_slashed(name), _MISSING) for name in self._names]
        missing = [row for row, label in enumerate(labels) if label is _MISSING]
        if missing:
            raise DatasetError(
                f"{what} has no label for {len(missing)} images: {_slashed(self._names[missing[0]]):.200}"
            )
        _check_plain(labels, what)
        return _label_array(labels, what)

    def contents(self) -> Iterator[tuple[str, int, int]] | None:
        """Yield the name, size and CRC-32 of every file in the zip, sorted by name; None for a folder."""
        return self._archive.contents()

    def read_json(self, name: str) -> Any:
        """Return the JSON file `name` stored with the images, such as attributes.json."""
        return self._archive.read_json(name)

    def _raw(self, raw_index: int) -> np.ndarray:
        if self._cache is not None and self._cached[raw_index]:
            return self._cache[raw_index]
        name = self._names[raw_index]
        image = self._decode(name)
        self._check_shape(name, image.shape, self.image_shape)
        return image

    def __len__(self) -> int:
        return len(self._raw_index)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image = self._raw(self._raw_index[index])
        return (image[:, :, ::-1] if self._flipped[index] else image).copy(), self.get_label(index)

    def get_label(self, index: int) -> np.ndarray:
        """Return the label of one image, float32 [label_dim]."""
        return self.get_labels(np.array([index]))[0]

    def get_labels(self, indices: np.ndarray) -> np.ndarray:
        """Return the labels of the images at `indices`, float32 [N, label_dim]."""
        labels = self._labels[self._raw_index[indices]]
        if labels.ndim == 2:
            return labels.copy()
        return (labels[:, None] == np.arange(self.label_dim)).astype(np.float32)

    def get_classes(self) -> np.ndarray | None:
        """Return the class of every image, int64 [N]; None where the labels are vectors, or there are none."""
        return self._labels[self._raw_index] if self.has_onehot_labels else None

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (uint8 [N, C, H, W], float32 [N, label_dim]) of the images at `indices`."""
        indices = np.asarray(indices, np.int64)
        raw = self._raw_index[indices]
        if self._may_cache:
            if self._cache is None:
                self._cache = np.empty([len(self._names), *self.image_shape], np.uint8)
            for i in np.unique(raw[~self._cached[raw]]):
                self._cache[i] = self._raw(i)
                self._cached[i] = True
            images = self._cache[raw]
        else:
            images = np.stack([self._raw(i) for i in raw])
        flipped = self._flipped[indices]
        images[flipped] = images[flipped, :, :, ::-1]
        return images, self.get_labels(indices)

    @property
    def names(self) -> list[str]:
        """The name of every image in the zip or folder, by index."""
        return [self._names[index] for index in self._raw_index]

    @property
    def name(self) -> str:
        """The file's or folder's name without its extension."""
        return Path(self.path).stem

    @property
    def num_channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return self.image_shape[0]

    @property
    def resolution(self) -> int:
        """The side of every image, in pixels."""
        return self.image_shape[1]

    @property
    def label_shape(self) -> list[int]:
        """[label_dim]; [0] without labels."""
        return [self._label_dim]

    @property
    def label_dim(self) -> int:
        """The number of classes, or of numbers in a label vector; 0 without labels."""
        return self._label_dim

    @property
    def has_labels(self) -> bool:
        """Whether labels are in use."""
        return self.label_dim > 0

    @property
    def has_onehot_labels(self) -> bool:
        """Whether the labels are classes."""
        return self._labels.ndim == 1

    def close(self) -> None:
        """Close the zip's handle."""
        self._archive.close()

    def __getstate__(self) -> dict[str, Any]:
        # Each process fills its own cache.
        return {**self.__dict__, "_cache": None, "_cached": np.zeros_like(self._cached)}


def write_dataset(
    path: str | os.PathLike[str],
    images: Iterable[np.ndarray],
    labels: Sequence[Label] | None = None,
    extra: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> int:
    """Write images as a new zip (the name ends in .zip) or folder, and return their number.

    `images` are uint8 [H, W, 3], [H, W, 1] or [H, W]; `labels` are classes (int) or vectors, one per image; `extra`
    maps file names to JSON data stored next to the images. The data set appears at `path` only when it is complete.
    Raises DatasetError when `path` exists, when images are not square, 2^k and of one shape, or when the labels do not
    match.
    """
    names: list[str] = []
    if labels is not None:
        labels = _label_array(labels, f"labels for '{path}'").tolist()
    with new_archive(path) as archive:
        shape: tuple[int, ...] | None = None
        for image in tqdm(images, desc=f"Writing {Path(path).name}", unit="img", disable=not progress, delay=1):
            shape = shape or image.shape
            _check_image(image, shape, len(names))
            names.append(f"{len(names) // 1000:05d}/img{len(names):08d}.png")
            archive.write(names[-1], encode(image))
        if not names:
            raise DatasetError(f"'{path}': no images to write")
        if labels is not None and len(labels) != len(names):
            raise DatasetError(f"'{path}': {len(names)} images but {len(labels)} labels")
        pairs = None if labels is None else [list(pair) for pair in zip(names, labels, strict=True)]
        archive.write("dataset.json", json.dumps({"labels": pairs}, allow_nan=False).encode())
        for name, data in (extra or {}).items():
            archive.write(name, json.dumps(data, allow_nan=False).encode())
    return len(names)


def _check_image(image: np.ndarray, shape: tuple[int, ...], index: int) -> None:
    side = image.shape[0] if image.ndim in (2, 3) else 0
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.dtype != np.uint8 or side < 4 or image.shape[1] != side or side & (side - 1) or channels not in (1, 3):
        raise DatasetError(
            f"image {index} is {image.dtype} {list(image.shape)}, expected uint8 [S, S, 1 or 3] with S = 2^k"
        )
    if image.shape != shape:
        raise DatasetError(f"image {index} is {list(image.shape)}, but the first one is {list(shape)}")


def _by_name(pairs: Any, what: str) -> dict[str, Any]:
    """Return labels by image name. Raises DatasetError for anything but a list of pairs."""
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
    ):
        raise DatasetError(f"{what} does not list its labels as pairs of [image name, label]")
    return {_slashed(name): label for name, label in pairs}


def _slashed(name: str) -> str:
    return name.replace("\\", "/")


def _check_plain(labels: Sequence[Any], what: str) -> None:
    """Reject JSON values that NumPy would store as text or objects: it pads all of them to the longest."""
    for label in labels:
        values = label if type(label) is list else [label]
        if any(type(value) not in (int, float) or not abs(value) < _LARGEST for value in values):
            raise DatasetError(f"{what}: a label {label!r:.80}; {_EXPECTED}")


def _label_array(labels: Sequence[Label], what: str) -> np.ndarray:
    """Return classes as int64 [N] or vectors as float32 [N, D]. Raises DatasetError for anything else."""
    try:
        array = np.array(labels)
    except ValueError as error:
        raise DatasetError(f"{what}: the labels have different lengths") from error
    if array.ndim == 1 and array.dtype.kind in "iu" and len(array) and array.min() >= 0:
        if array.max() >= MOST_CLASSES:
            raise DatasetError(f"{what}: class {array.max()}, expected classes from 0 to {MOST_CLASSES - 1}")
        return array.astype(np.int64)
    if array.ndim == 2 and array.dtype.kind in "iuf" and (abs(array) < _LARGEST).all():
        if array.shape[1] > MOST_CLASSES:
            raise DatasetError(f"{what}: labels of {array.shape[1]} numbers, expected at most {MOST_CLASSES}")
        return array.astype(np.float32)
    raise DatasetError(f"{what}: {_EXPECTED}")


def _describe(shape: Sequence[int]) -> str:
    return f"{shape[2]}x{shape[1]} with {shape[0]} channels"
