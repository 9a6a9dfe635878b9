"""Classes and cameras of photographs: given as a number, in a JSON file, or as the labels of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.formats.archive import ArchiveReader
from training_loops.formats.budget import LABELS
from training_loops.formats.files import read_file
from training_loops.formats.json_text import parse_json

from ..calls.generator import GeneratorCalls
from ..errors import LinkGANError
from ..labels import Labels, class_label, fixed_label

_FILE = "dataset.json"


def labels_for(generator: nn.Module, labels: Tensor | None, count: int) -> Tensor:
    """Return the labels of photographs, float32 [count, c_dim].

    Args:
        generator: the network.
        labels: [1, c_dim] for all photographs or [count, c_dim]; None for a network without labels.
        count: number of photographs.
    Raises:
        LinkGANError: labels of another shape, or none for a network that needs them.
    """
    c_dim = int(getattr(generator, "c_dim", 0))
    if labels is None:
        if c_dim and GeneratorCalls.of(generator).takes_camera:
            raise LinkGANError(f"this network renders through a camera; give each photograph's, {c_dim} numbers")
        if c_dim:
            raise LinkGANError(f"this network has {c_dim} classes; give that of the photographs with --class N")
        return torch.zeros([count, c_dim])
    if labels.ndim != 2 or len(labels) not in (1, count) or labels.shape[1] != c_dim:
        raise LinkGANError(f"labels {list(labels.shape)} for {count} photographs, expected [{count}, {c_dim}]")
    return labels.detach().float().expand(count, -1)


def photograph_label(generator: nn.Module, labels: Labels | None) -> Tensor | None:
    """Return the default label [1, c_dim] of photographs, None if it is unknown.

    Args:
        generator: the network.
        labels: labels of seeds. The camera is that of seed 0; a class is known only if all seeds share it.
    """
    if labels is not None and GeneratorCalls.of(generator).takes_camera:
        return labels([0])
    return fixed_label(labels)


def read_labels(path: Path, names: Sequence[str], c_dim: int) -> Tensor:
    """Return the labels of photographs by their file names, float32 [N, c_dim].

    Args:
        path: a JSON file with `c_dim` numbers for all photographs, or in the format of data sets, ``{"labels": [[name,
            label], ...]}``; or a zip or folder with such a dataset.json. Folders in names are ignored.
        names: file names of the photographs.
        c_dim: numbers in a label.
    Raises:
        LinkGANError: no such file, no label for a photograph, or labels of another size.
    """
    data = _read(path)
    if isinstance(data, dict):
        try:
            by_name = {str(name).replace("\\", "/").rpartition("/")[2]: label for name, label in data["labels"]}
        except (KeyError, TypeError, ValueError) as error:
            raise LinkGANError(f'{path}: expected {{"labels": [[file name, label], ...]}}') from error
        missing = [name for name in names if name not in by_name]
        if missing:
            raise LinkGANError(f"{path} has no label for {', '.join(missing[:5])}")
        return torch.cat([_label(by_name[name], c_dim, path) for name in names])
    return _label(data, c_dim, path).expand(len(names), -1)


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".json":
            return parse_json(read_file(path, LABELS.bytes), str(path), LABELS)
        return ArchiveReader(path).read_json(_FILE)
    except ValueError as error:
        raise LinkGANError(
            f"{path} cannot be read as labels ({error}); expected a .json, or data with {_FILE}"
        ) from error


def _label(label: Any, c_dim: int, path: Path) -> Tensor:
    if type(label) is int:
        return class_label(label, c_dim)
    try:
        row = torch.tensor(label, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise LinkGANError(f"{path}: a label {label!r:.80}, expected {c_dim} numbers") from error
    if row.shape != (c_dim,) or not row.isfinite().all():
        raise LinkGANError(f"{path}: a label {label!r:.80}, expected {c_dim} numbers")
    return row.unsqueeze(0)
