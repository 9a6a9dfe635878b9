"""TorchScript and torch.export files, which are programs: opened only if the user trusts them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..checksum import file_digest
from ..errors import LinkGANError
from . import named
from .segmenter import Card, NetworkSegmenter

# The member of an archive that describes the network.
CARD = "segmenter.json"
_LARGEST_CARD = 1 << 20
_EXPORTED = ("models/model.json", "serialized_exported_program.json")  # torch.export's names of its graph


def open_program(path: Path) -> NetworkSegmenter:
    """Open a TorchScript or torch.export file with PyTorch's loader.

    Raises:
        LinkGANError: the user has not marked it as trusted, or it is another kind of file.
    """
    named.check_trusted(path, "give its weights, a state dict, to `linkgan segment export`")
    try:
        load = _load_exported if _is_exported(path) else _load_script
        network, move = load(path)
    except Exception as error:  # PyTorch's readers raise various errors on a damaged file
        raise LinkGANError(f"{path} cannot be opened as a segmentation network: {error!s:.300}") from error
    return NetworkSegmenter(_card(path), network, move)


def _is_exported(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith(_EXPORTED) for name in archive.namelist())


def _load_script(path: Path) -> tuple[Callable[..., Any], Callable[[torch.device], Any]]:
    module = torch.jit.load(path, map_location="cpu").eval()
    return module, module.to


def _load_exported(path: Path) -> tuple[Callable[..., Any], Callable[[torch.device], Any]]:
    module = torch.export.load(path).module()
    return module, module.to


def _card(path: Path) -> Card:
    """Return the description in the archive, else in a .json file next to it, else one without class names."""
    beside, text = path.with_suffix(".json"), b"{}"
    with zipfile.ZipFile(path) as archive:
        name = next((name for name in archive.namelist() if name.endswith(f"extra/{CARD}")), None)
        if name:
            with archive.open(name) as file:
                text = file.read(_LARGEST_CARD)
        elif beside.is_file():
            text = beside.read_bytes()[:_LARGEST_CARD]
    try:
        return Card.from_json(text, sha256=file_digest(path))
    except LinkGANError as error:
        raise LinkGANError(f"{path}: {error}") from error
