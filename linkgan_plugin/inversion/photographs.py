"""The photographs of one call: read and cropped, each with a name and its class or camera."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from ..calls.generator import GeneratorCalls
from ..errors import LinkGANError
from ..images.pixels import check_channels
from ..labels import class_label
from .conditions import labels_for, read_labels
from .crop import Landmarks, Points, read_photograph


class Photograph(NamedTuple):
    """A photograph to invert: the name of its folder, its image [1, C, R, R] in [-1, 1] and its label [1, c_dim]."""

    name: str
    image: Tensor
    label: Tensor


def read_photographs(
    paths: Sequence[Path],
    generator: nn.Module,
    *,
    crop: str | None = None,
    landmarks: Landmarks | None = None,
    number: int | None = None,
    camera: Path | None = None,
) -> list[Photograph]:
    """Read photographs for a network.

    Args:
        paths: image files with distinct names.
        generator: the network.
        crop: the square of all photographs (see `crop.given_square`).
        landmarks: for alignment, for all or by file name (see `crop.read_landmarks`).
        number: the class of all photographs.
        camera: a file with their cameras (see `conditions.read_labels`).
    Raises:
        LinkGANError: photographs with the same name, or options that do not fit them or the network.
    """
    if crop is not None and landmarks is not None:
        raise LinkGANError("both a crop and landmarks were given; give one of them")
    names = [path.stem for path in paths]
    repeated = [str(path) for path in paths if names.count(path.stem) > 1]
    if repeated:
        raise LinkGANError(f"{' and '.join(repeated)} would share a folder; rename one, or invert each on its own")
    rows = label_rows(paths, generator, number=number, camera=camera)
    size, channels = (int(getattr(generator, name)) for name in ("img_resolution", "img_channels"))
    check_channels(channels)
    images = [read_photograph(p, size, channels, crop=crop, landmarks=_of(landmarks, p)) for p in paths]
    return [Photograph(*parts) for parts in zip(names, images, rows, strict=True)]


def label_rows(
    paths: Sequence[Path], generator: nn.Module, *, number: int | None = None, camera: Path | None = None
) -> list[Tensor]:
    """Return the labels of photographs or videos, [1, c_dim] each.

    Args:
        paths: their files.
        generator: the network.
        number: the class of all of them.
        camera: a file with their cameras (see `conditions.read_labels`).
    Raises:
        LinkGANError: options that do not fit the network.
    """
    if number is not None and camera is not None:
        raise LinkGANError("both a class and a file of labels were given; give one of them")
    labels = None
    c_dim = int(getattr(generator, "c_dim", 0))
    if number is not None and c_dim and GeneratorCalls.of(generator).takes_camera:
        raise LinkGANError(f"class {number}: this network has cameras instead of classes; give --camera FILE")
    if number is not None:
        labels = class_label(number, c_dim)
    elif camera is not None:
        labels = read_labels(camera, [path.name for path in paths], c_dim)
    return list(labels_for(generator, labels, len(paths)).split(1))


def _of(landmarks: Landmarks | None, path: Path) -> Points | None:
    if isinstance(landmarks, dict) and path.name not in landmarks:
        raise LinkGANError(f"no landmarks for {path.name}; found those of {', '.join(list(landmarks)[:5]) or 'none'}")
    return landmarks[path.name] if isinstance(landmarks, dict) else landmarks
