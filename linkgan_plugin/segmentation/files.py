"""Opening segmentation networks: TorchScript and torch.export files, Hugging Face folders, plugins."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from .. import registry
from ..checksum import file_digest
from ..errors import LinkGANError
from . import screening
from .hugging_face import open_folder
from .segmenter import Card, NetworkSegmenter, Segmenter

# The member of an archive, and the ending of a file beside one, that describe the network.
CARD = "segmenter.json"
VARIABLE = "LINKGAN_SEGMENTERS"
_EXPORTED = ".pt2"


def open_segmenter(source: str) -> Segmenter:
    """Open a segmenter by what a link calls it; the same source is opened once.

    Args:
        source: a TorchScript file, a torch.export file (.pt2), a folder of a Hugging Face model, or the name of a
            plugin in `linkgan.regions`. A file that is not there is looked for by its name in the folders of the
            environment variable LINKGAN_SEGMENTERS.
    Raises:
        LinkGANError: none of these, or a file that may do more than compute.
    """
    path = _found(Path(source))
    if path is not None:
        stat = path.stat()
        return _opened(path, stat.st_mtime_ns, stat.st_size)
    if source in registry.names("regions"):
        return _plugin(source)
    raise LinkGANError(
        f"no segmentation network '{source}': there is no such file or folder, here or in {VARIABLE}, and no plugin of "
        "that name in linkgan.regions"
    )


def _found(path: Path) -> Path | None:
    folders = [Path(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return next((place for place in (path, *(folder / path.name for folder in folders)) if place.exists()), None)


@lru_cache(maxsize=8)
def _plugin(name: str) -> Segmenter:
    plugin = registry.load("regions", name)
    if isinstance(plugin, type) and issubclass(plugin, Segmenter):
        return plugin()
    raise LinkGANError(f"'{name}' is a kind of region, not a segmentation network")


@lru_cache(maxsize=8)
def _opened(path: Path, changed: int, size: int) -> Segmenter:
    if path.is_dir():
        return open_folder(path)
    if not zipfile.is_zipfile(path):
        raise LinkGANError(f"{path} is no TorchScript or torch.export file; save the network with torch.jit.save")
    load = _load_exported if path.suffix == _EXPORTED else _load_script
    try:
        network, move = load(path)
    except LinkGANError:
        raise
    except Exception as error:  # whatever PyTorch's readers raise on a damaged file
        raise LinkGANError(f"{path} cannot be opened as a segmentation network: {error!s:.300}") from error
    return NetworkSegmenter(_card(path), network, move)


def _load_script(path: Path) -> tuple[Callable[..., Any], Callable[[torch.device], Any]]:
    module = torch.jit.load(screening.take_script(path), map_location="cpu").eval()
    return module, module.to


def _load_exported(path: Path) -> tuple[Callable[..., Any], Callable[[torch.device], Any]]:
    module = torch.export.load(screening.take_program(path)).module()
    return module, module.to


def _card(path: Path) -> Card:
    """Return the description in the archive, else that in a file beside it, else one of a network without names."""
    digest = file_digest(path)
    beside = path.with_suffix(".json")
    with zipfile.ZipFile(path) as archive:
        name = next((name for name in archive.namelist() if name.endswith(f"extra/{CARD}")), None)
        text = archive.read(name) if name else beside.read_bytes() if beside.is_file() else b"{}"
    try:
        return Card.from_json(text, sha256=digest)
    except LinkGANError as error:
        raise LinkGANError(f"{path}: {error}") from error
