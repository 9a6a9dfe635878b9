"""Reading latents from files: .npz and .npy arrays, and tensors of torch.save, of this program, hosts and others."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training_loops.formats.files import read_file
from training_loops.formats.gzips import first_bytes
from training_loops.formats.kinds import Kind, kind_of, looks_like
from training_loops.formats.npy import MAGIC, read_npy
from training_loops.formats.text import printable
from training_loops.formats.zips import open_zip, read_entry

from ..errors import LinkGANError
from .torch_latents import is_torch, read_latents

Array = npt.NDArray[np.generic]
LATENTS_FILE = "projected_w.npz"
LATENTS = "w"  # the array that the hosts' programs write and read
LATENT_NAMES = (LATENTS, "ws", "latent", "latents", "arr_0")  # names of latents in files of other programs
_LARGEST = float(np.finfo(np.float32).max)


def read_arrays(path: Path, limit: int) -> dict[str, Array]:
    """Read the arrays of a .npz file, a .npy file (its array as `w`), or the latents in a file of torch.save.

    Args:
        path: the file; its content decides how it is read.
        limit: bytes that the arrays may take.
    Returns:
        Floating point arrays by name, of any shape; all numbers are finite and fit float32.
    Raises:
        LinkGANError: the file is missing, unreadable, larger than `limit`, or holds other numbers.
    """
    if not path.exists():
        raise LinkGANError(f"{path} does not exist; make it with `linkgan project`")
    try:
        arrays = _arrays(path, limit)
    except LinkGANError as error:
        raise LinkGANError(printable(f"{path} is not a readable {LATENTS_FILE} ({str(error)[:300]})")) from error
    for name, array in arrays.items():
        if not np.issubdtype(array.dtype, np.floating):
            raise LinkGANError(f"{path}: '{name}' holds {array.dtype}, expected floating point numbers")
        if not (abs(array) <= _LARGEST).all():
            raise LinkGANError(f"{path}: '{name}' holds numbers that are not finite, or too large for float32")
    return arrays


def _arrays(path: Path, limit: int) -> dict[str, Array]:
    head = first_bytes(path)
    if is_torch(path, head):
        return read_latents(path, LATENT_NAMES, limit)
    if kind_of(head) not in (Kind.ARCHIVE, Kind.ARRAY):
        raise LinkGANError(f"{looks_like(head)}; expected .npz, .npy or latents of torch.save (.pt)")
    data = read_file(path, 2 * limit)
    if data.startswith(MAGIC):
        _check_size(len(data), limit)
        return {LATENTS: read_npy(data, LATENTS)}
    with open_zip(io.BytesIO(data), str(path)) as archive:
        _check_size(sum(entry.file_size for entry in archive.infolist()), limit)
        return {
            (name := entry.filename.removesuffix(".npy")): read_npy(read_entry(archive, entry, str(path), limit), name)
            for entry in archive.infolist()
        }


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise LinkGANError(f"it expands to {size} bytes, expected at most {limit} for this network")


def latents_from(arrays: Mapping[str, Array], shape: tuple[int, int], path: Path) -> Tensor:
    """Return the latents of one image, float32 [1, num_ws, w_dim], from the arrays of a file.

    Args:
        arrays: under one of `LATENT_NAMES`, latents [1, num_ws, w_dim] or [num_ws, w_dim], or one row for all layers:
            [w_dim], [1, w_dim] or [1, 1, w_dim].
        shape: (num_ws, w_dim) of the network.
        path: for messages.
    Raises:
        LinkGANError: none or several of the names, or another shape.
    """
    names = [name for name in LATENT_NAMES if name in arrays]
    if LATENTS not in names and len(names) != 1:
        found = ", ".join(arrays) or "nothing"
        raise LinkGANError(f"{path} holds {found}, expected latents called one of {', '.join(LATENT_NAMES)}")
    array, (num_ws, w_dim) = arrays[names[0]], shape
    rows = array.shape[:-1]
    if array.shape[-1:] != (w_dim,) or rows not in ((), (1,), (num_ws,), (1, 1), (1, num_ws)):
        many = array.ndim == 3 and len(array) != 1 and array.shape[1:] in (shape, (1, w_dim))
        why = f"these are of {len(array)} images, give one of them" if many else "is it another network's?"
        raise LinkGANError(
            f"{path}: latents {list(array.shape)}, this network takes [1, {num_ws}, {w_dim}], [{num_ws}, {w_dim}] or "
            f"one row [{w_dim}] for all layers; {why}"
        )
    return to_tensor(array).reshape(1, -1, w_dim).expand(1, num_ws, w_dim).contiguous()


def to_tensor(array: Array) -> Tensor:
    """Return an array as a float32 tensor of the same shape."""
    return torch.from_numpy(array.astype(np.float32))
