"""`linkgan segment export`: converts weights saved by other programs to a segmentation network file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training_loops.formats.pickles.archive import read_archive, with_tensors
from training_loops.formats.zips import open_zip

from ..errors import LinkGANError
from . import tensors
from .architectures import architecture_named, build
from .segmenter import Card
from .store import as_float, write_network

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PARALLEL = "module."
_COUNTER = ".num_batches_tracked"


def export_weights(source: Path, target: Path, architecture: str, card: Card) -> None:
    """Write the weights in `source`, a state dict in .safetensors or .pth, as a network for links.

    Tensors that only training needs are omitted, floating-point tensors are converted to float32, and batch counters
    missing in old files are set to zero.

    Args:
        card: the class names and the preprocessing of images.
    Raises:
        LinkGANError: no such architecture, no weights, or weights that do not match it; lists names and shapes.
    """
    if not card.classes:
        raise LinkGANError("the classes have no names; give them with --classes")
    arguments = {"classes": len(card.classes)}
    network, ignored = build(architecture, arguments), architecture_named(architecture).ignored
    state = {name: as_float(tensor) for name, tensor in read_weights(source).items() if not name.startswith(ignored)}
    for name, tensor in network.state_dict().items():
        if name.endswith(_COUNTER) and name not in state:
            state[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
    try:
        write_network(target, architecture, arguments, card, state)
    except LinkGANError as error:
        raise LinkGANError(f"{source}: {error}") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name, in their own shapes, unwrapped from a checkpoint's dicts.

    Raises:
        LinkGANError: no such file, or one with other content.
    """
    with open(path, "rb") as file:
        is_tensors = tensors.looks_like_tensors(file.read(9))
    data: Any = tensors.parse(tensors.read_bytes(path), path)[0] if is_tensors else _read_pickled(path)
    data = next(
        (data[key] for key in _WRAPPERS if isinstance(data, Mapping) and isinstance(data.get(key), Mapping)), data
    )
    if not isinstance(data, Mapping) or not data or not all(isinstance(value, Tensor) for value in data.values()):
        raise LinkGANError(f"{path} contains no state dict; expected tensors by name")
    if all(str(name).startswith(_PARALLEL) for name in data):
        data = {str(name).removeprefix(_PARALLEL): value for name, value in data.items()}
    return {str(name): value for name, value in data.items()}


def _read_pickled(path: Path) -> Any:
    """Read a file of torch.save without `torch.load`."""
    if zipfile.is_zipfile(path):
        with open_zip(path, str(path)) as archive:
            if any("/code/" in name or name.endswith("models/model.json") for name in archive.namelist()):
                raise LinkGANError(
                    f"{path} is a TorchScript or torch.export program; expected its weights, a state dict written by "
                    "torch.save or safetensors"
                )
    try:
        return with_tensors(read_archive(path))
    except LinkGANError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise LinkGANError(f"{path} contains no readable state dict: {reason:.300}") from error
