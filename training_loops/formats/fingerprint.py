"""Fingerprints of data sets: they show whether a resumed run still uses the images that it started with."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training_loops.formats.archive import ArchiveReader
from training_loops.formats.png import is_image

_LABELS = "dataset.json"
_END = 4096  # bytes


def data_record(dataset: Any) -> dict[str, Any]:
    """Return `images`, `resolution`, `channels`, `label_dim` and `fingerprint` of a data set, as plain data.

    The fingerprint hashes the names, sizes and CRCs of the images as the zip lists them (in a folder: the CRC of each
    file's end) and the labels in use, so no image is decoded; None for a data set that is neither a zip nor a folder.
    """
    return {
        "images": len(dataset),
        "resolution": int(dataset.resolution),
        "channels": int(dataset.num_channels),
        "label_dim": int(dataset.label_dim),
        "fingerprint": _fingerprint(dataset, labels=dataset.label_dim > 0),
    }


def changes(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what changed in a data set, as readable lines; [] where nothing changed or nothing is known."""
    counted = [
        f"{name} was {then[name]}, is {now[name]}"
        for name in ("images", "resolution", "channels", "label_dim")
        if then.get(name) not in (None, now[name])
    ]
    prints = then.get("fingerprint"), now["fingerprint"]
    if not counted and None not in prints and prints[0] != prints[1]:
        return ["same number of images, but different images or labels"]
    return counted


def _fingerprint(dataset: Any, *, labels: bool) -> str | None:
    path = getattr(dataset, "path", None)
    if path is None or not Path(path).exists():
        return None
    entries = sorted(_folder_entries(Path(path))) if Path(path).is_dir() else _zip_entries(dataset)
    found = hashlib.sha256()
    for name, facts in entries:
        if is_image(name) or (labels and name == _LABELS):
            found.update(f"{name}\0{facts}\n".encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _zip_entries(dataset: Any) -> Iterator[tuple[str, str]]:
    """Yield the entries of a zip sorted by name, as the dataset lists them or from the zip again."""
    listed = dataset.contents() if hasattr(dataset, "contents") else ArchiveReader(dataset.path).contents()
    for name, size, crc in listed or ():
        yield name, f"{size} {crc}"


def _folder_entries(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield labels with a hash of their contents, images with size and end: times change when a folder is copied."""
    for root, _, names in os.walk(folder):
        for name in names:
            file = Path(root, name)
            inside = file.relative_to(folder).as_posix()
            if inside == _LABELS:
                yield inside, hashlib.sha256(file.read_bytes()).hexdigest()
            elif is_image(inside):
                yield inside, _size_and_end(file)


def _size_and_end(file: Path) -> str:
    """Return the size and the CRC of the end: a PNG ends with the checksum of its last pixels."""
    size = file.stat().st_size
    with open(file, "rb") as opened:
        opened.seek(max(0, size - _END))
        return f"{size} {zlib.crc32(opened.read(_END))}"
