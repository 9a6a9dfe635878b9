"""Directions in other programs' files: .npy and .npz arrays, and tensors of torch.save or .safetensors.

InterFaceGAN writes one [1, D] as .npy; e4e and StyleRes tensors [1, D] or [L, D] as .pt; GANSpace components [K, 1, D]
as .npz, which e4e keeps as [K, D] in a .pt, both with means and deviations beside them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training_loops.formats.files import read_file
from training_loops.formats.gzips import first_bytes
from training_loops.formats.kinds import Kind, kind_of, looks_like
from training_loops.formats.npy import MAGIC, read_npy
from training_loops.formats.pickles.archive import entries_of
from training_loops.formats.pickles.arrays import Array
from training_loops.formats.pickles.stored import StoredTensor
from training_loops.formats.text import printable
from training_loops.formats.zips import open_zip, read_entry

from ..errors import LinkGANError
from ..pickles.torch_files import read_data
from .directions import Directions

EXPECTED = "directions as .safetensors, .npy, .npz or tensors of torch.save (.pt)"
# Names of the directions in files that hold other numbers too; the first that is there counts.
_COMPONENTS = ("lat_comp", "comp", "components", "directions", "vectors")
MOST = 65_536  # directions in a file


@dataclass(frozen=True)
class Fit:
    """The shapes that fit a network.

    Attributes:
        layers: of its latents; None if not known.
        dim: their axes; None if not known.
    """

    layers: int | None
    dim: int | None

    def accepts(self, layers: int, dim: int) -> bool:
        """Return whether vectors [K, layers, dim] fit."""
        return self.dim in (None, dim) and (layers == 1 or self.layers in (None, layers))

    def __str__(self) -> str:
        d, n = self.dim or "D", self.layers or "L"
        layered = "" if self.layers == 1 else f", [{n}, {d}] for one direction layer by layer, [K, {n}, {d}] for many"
        return f"this network takes [{d}] or [1, {d}], [K, {d}] or [K, 1, {d}] for K directions{layered}"


def read_foreign(path: Path, limit: int) -> dict[str, Tensor]:
    """Return the tensors of a file by name, of any shape; one without a name gets that of the file.

    Args:
        path: .npy, .npz, or a file of torch.save.
        limit: bytes that they may take.
    Raises:
        LinkGANError: another kind of file, damaged, larger, or nothing in it.
    """
    head = first_bytes(path)
    kind = kind_of(head)
    if kind is Kind.ROW or (kind is Kind.ARCHIVE and any(name.endswith("/data.pkl") for name in entries_of(path))):
        return _of_torch(path, limit)
    if kind not in (Kind.ARCHIVE, Kind.ARRAY):
        raise LinkGANError(f"{looks_like(head)}; expected {EXPECTED}")
    data = read_file(path, limit)
    if data.startswith(MAGIC):
        return {path.stem: _tensor(read_npy(data, path.stem), path.stem)}
    with open_zip(io.BytesIO(data), str(path)) as archive:
        entries = archive.infolist()
        if (size := sum(entry.file_size for entry in entries)) > limit:
            raise LinkGANError(f"it expands to {size} bytes, expected at most {limit}")
        names = [entry.filename.removesuffix(".npy") for entry in entries]
        arrays = [read_npy(read_entry(archive, entry, str(path), limit), entry.filename) for entry in entries]
    wanted = _chosen(dict(zip(names, arrays, strict=True)))
    return {name: _tensor(array, name) for name, array in wanted.items()}


def directions_from(tensors: Mapping[str, Tensor], fit: Fit, space: str) -> Directions:
    """Return directions from vectors by name, of any shapes that fit.

    Raises:
        LinkGANError: no vectors, or one that does not fit; says which shapes do.
    """
    parts, names = [], []
    for name, tensor in _chosen(tensors).items():
        vectors = _vectors(tensor, fit, name)
        parts.append(vectors)
        names += _names(name, len(vectors), alone=len(tensors) == 1)
    if not parts or len(names) > MOST:
        raise LinkGANError(f"{len(names)} directions in it, expected 1 to {MOST}")
    layers = max(part.shape[1] for part in parts)
    if any(part.shape[1] not in (1, layers) or part.shape[2] != parts[0].shape[2] for part in parts):
        raise LinkGANError(f"vectors of different shapes, {', '.join(str(list(part.shape)) for part in parts[:4])}")
    joined = torch.cat([part.expand(-1, layers, -1) for part in parts])
    return Directions(joined, space, names=tuple(map(printable, names)))


def _names(name: str, count: int, alone: bool) -> list[str]:
    """Return the names of the vectors of one entry; those of the only entry have numbers instead."""
    if count == 1:
        return [name]
    return [""] * count if alone else [f"{name} {index}" for index in range(count)]


def _vectors(tensor: Tensor, fit: Fit, name: str) -> Tensor:
    """Return vectors [D], [1, D], [L, D], [K, D] or [K, L, D] as float32 [K, L, D]."""
    if not tensor.is_floating_point():
        raise LinkGANError(f"'{name:.80}' holds {tensor.dtype}, expected floating point numbers")
    shape = list(tensor.shape)
    if tensor.ndim == 1:
        vectors = tensor.view(1, 1, -1)
    elif tensor.ndim == 2:
        vectors = tensor.unsqueeze(0 if len(tensor) == fit.layers else 1)
    else:
        vectors = tensor
    if vectors.ndim != 3 or not vectors.numel() or not fit.accepts(*vectors.shape[1:]):
        raise LinkGANError(f"'{name:.80}' has shape {shape}; {fit}")
    return vectors.float()


def _chosen(tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the directions among named tensors: components without their means and deviations, else all."""
    component = next((name for name in _COMPONENTS if name in tensors), None)
    return tensors if component is None else {component: tensors[component]}


def _of_torch(path: Path, limit: int) -> dict[str, Tensor]:
    data = read_data(path)
    if isinstance(data, StoredTensor | Array):
        data = {path.stem: data}
    if isinstance(data, list | tuple):
        data = {str(number): item for number, item in enumerate(data)}
    if not isinstance(data, Mapping) or not data:
        raise LinkGANError(f"a {type(data).__name__}; expected {EXPECTED}")
    found: dict[str, Tensor] = {}
    wanted = _chosen(data)
    size = sum(value.place[1] for value in wanted.values() if isinstance(value, StoredTensor))
    if size > limit:
        raise LinkGANError(f"its tensors take {size} bytes, expected at most {limit}")
    for name, value in wanted.items():
        if not isinstance(value, StoredTensor | Array):
            raise LinkGANError(f"'{name!s:.80}' is a {type(value).__name__}; expected {EXPECTED}")
        found[str(name)] = value.read({}) if isinstance(value, StoredTensor) else _tensor(value.value, str(name))
    return found


def _tensor(array: np.ndarray[Any, Any], name: str) -> Tensor:
    if not np.issubdtype(array.dtype, np.floating):
        raise LinkGANError(f"'{name:.80}' holds {array.dtype}, expected floating point numbers")
    with np.errstate(over="ignore"):  # numbers beyond float32 become infinite, which directions refuse
        return torch.from_numpy(array.astype(np.float32))
