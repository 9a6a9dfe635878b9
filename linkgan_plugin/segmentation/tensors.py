"""Reads untrusted .safetensors; ambiguous files are rejected."""

from __future__ import annotations

import math
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from training_loops.formats.json_text import parse_object

from ..errors import LinkGANError

_LONGEST_HEADER = 16 << 20
_LARGEST = 8 << 30
_METADATA = "__metadata__"
_FIELDS = {"dtype", "shape", "data_offsets"}
_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8}


def looks_like_tensors(head: bytes) -> bool:
    """Return whether `head`, at least nine bytes, begins a .safetensors file."""
    return len(head) >= 9 and int.from_bytes(head[:8], "little") <= _LONGEST_HEADER and head[8:9] == b"{"


def read_bytes(path: Path, largest: int = _LARGEST) -> bytes:
    """Return the content of a file.

    Raises:
        LinkGANError: it cannot be read, or is larger than `largest`.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise LinkGANError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > largest:
        raise LinkGANError(f"{path} is larger than {largest} bytes, the limit for such files")
    return content


def parse(content: bytes, path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors, in their own shapes, and the metadata of a .safetensors file.

    Raises:
        LinkGANError: damaged; a repeated name; bytes that belong to no tensor or to several; or a file that is also a
            zip archive.
    """
    try:
        metadata = _check(content)
        return safetensors.torch.load(content), metadata
    except (ValueError, RecursionError, SafetensorError) as error:
        raise LinkGANError(f"{path} is not a readable .safetensors file: {str(error)[:300]}") from error


def _check(content: bytes) -> dict[str, str]:
    if not looks_like_tensors(content[:9]):
        raise ValueError("it does not begin with a header")
    start = 8 + int.from_bytes(content[:8], "little")
    header = parse_object(content[8:start], "its header")
    metadata = header.pop(_METADATA, {})
    if type(metadata) is not dict or not all(type(text) is str for text in metadata.values()):
        raise ValueError("its metadata does not map names to text")
    spans = sorted(_span(name, entry) for name, entry in header.items())
    ends = [0, *(end for _, end in spans)]
    if [begin for begin, _ in spans] != ends[:-1] or start + ends[-1] != len(content):
        raise ValueError("its tensors do not cover the file exactly")
    if zipfile.is_zipfile(BytesIO(content)):
        raise ValueError("it is also a zip archive")
    return metadata


def _span(name: str, entry: Any) -> tuple[int, int]:
    if type(entry) is not dict or entry.keys() != _FIELDS or entry["dtype"] not in _BITS:
        raise ValueError(f"{name[:100]!r} is not described as a tensor of {', '.join(_BITS)}")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not (_are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2):
        raise ValueError(f"{name[:100]!r} has no shape and offsets")
    if offsets[1] - offsets[0] != math.prod(shape) * _BITS[entry["dtype"]] // 8:
        raise ValueError(f"{name[:100]!r} has offsets that do not match its size")
    return offsets[0], offsets[1]


def _are_sizes(values: Any) -> bool:
    return type(values) is list and len(values) <= 16 and all(type(v) is int and 0 <= v < 2**48 for v in values)
