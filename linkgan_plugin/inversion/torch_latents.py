"""Reading latents from files of torch.save, as written by PTI, e4e, ReStyle and rosinality's projector."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from training_loops.formats.kinds import Kind, kind_of
from training_loops.formats.pickles.archive import entries_of
from training_loops.formats.pickles.arrays import Array
from training_loops.formats.pickles.stored import StoredTensor
from training_loops.formats.text import printable

from ..errors import LinkGANError
from ..pickles.foreign import recognised
from ..pickles.torch_files import read_data

_SHOWN = 5
_COPY = "save one of them, torch.save(latents[0:1].clone(), file)"


def is_torch(path: Path, head: bytes) -> bool:
    """Return whether a file that begins with `head` was written by torch.save; .npz is a zip archive too."""
    kind = kind_of(head)
    return kind is Kind.ROW or (kind is Kind.ARCHIVE and any(name.endswith("/data.pkl") for name in entries_of(path)))


def read_latents(path: Path, names: Collection[str], limit: int) -> dict[str, npt.NDArray[np.generic]]:
    """Return the latents of one image, arrays of any shape by name. No code of the file is run.

    Args:
        path: the file.
        names: known names of latents; unnamed latents get the first.
        limit: bytes that the latents may take.
    Raises:
        LinkGANError: no latents, or those of several images; the message lists the contents.
    """
    data = read_data(path)
    found = _named(data, names)
    if not found:
        raise LinkGANError(printable(f"no latents in it: {recognised(data) or f'a {type(data).__name__}'}"))
    return {name: _array(value, name, limit) for name, value in found.items()}


def _named(data: Any, names: Collection[str]) -> dict[str, Any]:
    first = next(iter(names))
    if isinstance(data, (StoredTensor, Array)):
        return {first: data}
    if isinstance(data, (list, tuple)):
        data = dict(enumerate(data))
    if not isinstance(data, Mapping):
        return {}
    found = {name: value for name, value in data.items() if name in names and isinstance(value, (StoredTensor, Array))}
    if found:
        return found
    # One entry per image and nothing else: the latents, or a dict with them.
    images = [_of_image(value, names) for value in data.values()]
    if None in images or len({tuple(getattr(value, "shape", ())) for value in images}) != 1:
        return {}
    if len(images) > 1:
        shown = ", ".join(str(name)[:60] for name in list(data)[:_SHOWN])
        raise LinkGANError(
            f"latents of {len(images)} images ({shown}{', ...' if len(images) > _SHOWN else ''}); {_COPY}"
        )
    return {first: images[0]}


def _of_image(value: Any, names: Collection[str]) -> Any:
    """Return the latents in an entry, None without any."""
    if isinstance(value, Mapping):
        value = next((value[name] for name in names if name in value), None)
    return value if isinstance(value, (StoredTensor, Array)) else None


def _array(value: Any, name: str, limit: int) -> npt.NDArray[np.generic]:
    if isinstance(value, Array):
        return value.value
    shape = tuple(value.shape)
    if len(shape) == 3 and shape[0] > 1:
        raise LinkGANError(f"'{name}' is {list(shape)}, latents of {shape[0]} images; {_COPY}")
    size = value.place[1]
    if size > limit:
        raise LinkGANError(f"'{name}' is stored in {size} bytes, expected at most {limit} for this network; {_COPY}")
    tensor = value.read({})
    return (tensor.to(torch.float32) if tensor.dtype in (torch.bfloat16, torch.float16) else tensor).numpy()
