"""Segmentation models in the folders that Hugging Face's transformers writes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..checksum import file_digest
from ..errors import LinkGANError
from .segmenter import Card, NetworkSegmenter

_CONFIG, _PROCESSOR = "config.json", "preprocessor_config.json"


def open_folder(folder: Path) -> NetworkSegmenter:
    """Open a semantic segmentation model from a folder on disk: nothing is fetched, only .safetensors are read.

    Class names are those of its configuration; normalisation and size those of its image processor.

    Raises:
        LinkGANError: no such folder, no segmentation model, or transformers is not installed.
    """
    for name in (_CONFIG, _PROCESSOR):
        if not (folder / name).is_file():
            raise LinkGANError(f"{folder} has no {name}; expected the folder of a Hugging Face segmentation model")
    try:
        from transformers import AutoModelForSemanticSegmentation
    except ImportError as error:
        raise LinkGANError(
            f"{folder} is a Hugging Face model; install transformers to use it: pip install 'linkgan_plugin[semantic]'"
        ) from error
    try:
        model = AutoModelForSemanticSegmentation.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise LinkGANError(f"{folder} cannot be opened as a segmentation model: {str(error)[:300]}") from error
    model = model.float().eval().requires_grad_(False)
    return NetworkSegmenter(_card(folder, model), lambda images: _logits(model, images), model.to)


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    logits: Tensor = model(pixel_values=images).logits
    return logits


def _card(folder: Path, model: Any) -> Card:
    processor = json.loads((folder / _PROCESSOR).read_text(encoding="utf-8"))
    names = model.config.id2label
    normal = processor.get("do_normalize", True)
    return Card(
        classes=tuple(str(names[index]) for index in range(len(names))),
        sha256=_digest(folder),
        mean=_three(processor.get("image_mean"), 0.0) if normal else (0.0, 0.0, 0.0),
        std=_three(processor.get("image_std"), 1.0) if normal else (1.0, 1.0, 1.0),
        size=_size(processor.get("size")) if processor.get("do_resize", True) else None,
    )


def _three(values: Any, default: float) -> tuple[float, ...]:
    return tuple(float(value) for value in values) if values else (default,) * 3


def _size(size: Any) -> tuple[int, int] | None:
    """Return an image processor's size, which is written in several ways, as (height, width)."""
    if isinstance(size, dict):
        size = (size["height"], size["width"]) if "height" in size else size.get("shortest_edge")
    return (size, size) if isinstance(size, int) else tuple(size) if size else None


def _digest(folder: Path) -> str:
    """Return one SHA-256 for all files that decide what the model computes."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.name in (_CONFIG, _PROCESSOR) or path.suffix == ".safetensors":
            digest.update(f"{path.name} {file_digest(path)}\n".encode())
    return digest.hexdigest()
