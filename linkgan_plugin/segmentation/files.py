"""Opens segmentation networks that the user has named: network files, Hugging Face folders, programs, plugins."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from pathlib import Path

from training_loops.formats.gzips import MAGIC
from training_loops.formats.kinds import looks_like

from .. import registry
from ..errors import LinkGANError
from . import named, tensors
from .hugging_face import open_folder
from .programs import open_program
from .segmenter import Card, Segmenter
from .store import read_network


def typed_card(source: str) -> Card:
    """Return the card of a network that the user has named: a file, a folder or a plugin.

    Raises:
        LinkGANError: none of these, or it cannot be opened.
    """
    if named.path_of(source) is None and Path(source).exists():
        named.name(source, source)
    if (segmenter := _known(source)) is not None:
        return segmenter.card
    raise LinkGANError(
        f"no segmentation network '{source}': no such file or folder, and no plugin with that name in "
        f"linkgan.regions; give its path with --segmenter {named.last_component(source)}=FILE"
    )


def segmenter_for(source: str, card: Card) -> Segmenter:
    """Open the network that links refer to as `source`, if the user has named it, and compare it with their card.

    Raises:
        LinkGANError: it is not named in this command, or it is not the network that the links were made with.
    """
    segmenter = _known(source)
    if segmenter is None:
        raise LinkGANError(
            f"the links use the segmentation network '{source}' (SHA-256 {card.sha256[:12]}...), which is opened only "
            f"if you name it in the command: give it with --segmenter {named.last_component(source)}=FILE"
        )
    if segmenter.card.sha256 != card.sha256:
        raise LinkGANError(
            f"{named.path_of(source) or source} (SHA-256 {segmenter.card.sha256[:12]}...) is not the network that the "
            f"links were made with ({card.sha256[:12]}...); give the right one with --segmenter "
            f"{named.last_component(source)}=FILE, or create the links again"
        )
    return segmenter


def open_segmenter(path: Path | str) -> Segmenter:
    """Open a file or folder; an unchanged one is opened only once. Its kind is detected from its content.

    Args:
        path: a .safetensors file with a declared architecture, a folder of a Hugging Face model, or, if trusted
            (`named.trust`), a TorchScript or torch.export file (.pt2).
    Raises:
        LinkGANError: none of these, or damaged.
    """
    path = Path(path)
    if not path.exists():
        raise LinkGANError(f"no segmentation network '{path}': no such file or folder")
    stat = path.stat()
    return _opened(path.resolve(), stat.st_mtime_ns, stat.st_size, named.is_trusted(path))


def _known(source: str) -> Segmenter | None:
    """Return the network that the user has named `source`, else the installed plugin with that name."""
    path = named.path_of(source)
    if path is not None:
        return open_segmenter(path)
    return _plugin(source) if source in registry.names("regions") else None


@lru_cache(maxsize=8)
def _plugin(name: str) -> Segmenter:
    plugin = registry.load("regions", name)
    if isinstance(plugin, type) and issubclass(plugin, Segmenter):
        return plugin()
    raise LinkGANError(f"'{name}' is a kind of region, not a segmentation network")


@lru_cache(maxsize=8)
def _opened(path: Path, changed: int, size: int, trusted: bool) -> Segmenter:
    if path.is_dir():
        return open_folder(path)
    with open(path, "rb") as file:
        head = file.read(512)
    if tensors.looks_like_tensors(head):
        return read_network(path)
    if zipfile.is_zipfile(path):
        return open_program(path)
    found = "gzip-compressed; decompress it first" if head.startswith(MAGIC) else looks_like(head)
    raise LinkGANError(
        f"{path} is not a segmentation network ({found}); expected .safetensors with an architecture (`linkgan segment "
        "export`), the folder of a Hugging Face model, TorchScript or torch.export"
    )
