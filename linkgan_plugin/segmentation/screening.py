"""Refusing files of networks that could do more than compute.

TorchScript is a language of its own that cannot reach Python; what it can reach are PyTorch's operators, of which some
write and read files. A torch.export file names operators and Python functions by dotted paths, writes sizes as formulas
that are evaluated, and may hold pickles: PyTorch's own loader trusts all three. Here they are read first, as text.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ..errors import LinkGANError

_LARGEST_TEXT = 64 << 20
# Operators that touch files (PyTorch's own save and from_file, torchvision's read_file and write_file), and compiled
# classes. Bare words: TorchScript can call an operator through several names, with spaces and comments between them.
_FILE_WORD = r"(?:save|\w*(?:from|read|write)_(?:\w+_)?file)"
_FILE_OPERATORS = re.compile(rb"\b" + _FILE_WORD.encode() + rb"\b|\btorch\b\W*(?:#[^\n]*\n\W*)*classes\b")
# What the graph of an exported network may call, and what its formulas of sizes may hold.
_OPERATOR = re.compile(
    rf"torch\.ops\.(?:aten|prims|higher_order)\.(?!{_FILE_WORD}\b)\w+(?:\.\w+)?"
    r"|#?_operator\.\w+|math\.\w+|torch\.sym_\w+"
)
_FORMULA = re.compile(r"(?!.*__)(?:'[a-z]{1,3}\d+'|[\w +\-*/(),<>=])*")
_PICKLED = ("custom_obj", "opaque_obj")


def check_script(path: Path) -> None:
    """Check a TorchScript file.

    Raises:
        LinkGANError: no TorchScript, or code that opens files or uses compiled classes; names the code.
    """
    with zipfile.ZipFile(path) as archive:
        code = [entry for entry in archive.infolist() if "/code/" in entry.filename and entry.filename.endswith(".py")]
        if not code:
            raise LinkGANError(f"{path} holds no TorchScript; save the network with torch.jit.save")
        for entry in code:
            found = _FILE_OPERATORS.search(_text(archive, entry, path))
            if found:
                raise LinkGANError(
                    f"{path} is refused: its code uses {found.group().decode()} ({entry.filename}), which a "
                    "network has no need of"
                )


def check_exported(path: Path) -> None:
    """Check a torch.export file.

    Raises:
        LinkGANError: no such file, or one with pickled objects, foreign functions or odd formulas; names them.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        described = [entry for entry in entries if entry.filename.endswith(".json")]
        if not described:
            raise LinkGANError(f"{path} holds no exported network; save it with torch.export.save")
        for entry in described:
            _check_graph(path, json.loads(_text(archive, entry, path)))
        for entry in entries:
            _check_tensors(path, archive, entry)


def _text(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> bytes:
    if entry.file_size > _LARGEST_TEXT:
        raise LinkGANError(f"{path}: {entry.filename} is {entry.file_size} bytes, expected at most {_LARGEST_TEXT}")
    return archive.read(entry)


def _check_graph(path: Path, data: Any) -> None:
    for key, text in _strings(data):
        if key == "target" and not _OPERATOR.fullmatch(text):
            raise LinkGANError(f"{path} is refused: it calls {text[:200]!r}, which is no operator of PyTorch's core")
        if key == "expr_str" and not _FORMULA.fullmatch(text):
            raise LinkGANError(f"{path} is refused: {text[:200]!r} is no formula of a size")


def _strings(data: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield all (key, text) of nested data."""
    if isinstance(data, str):
        yield key, data
    elif isinstance(data, dict):
        for name, item in data.items():
            yield from _strings(item, name)
    elif isinstance(data, list):
        for item in data:
            yield from _strings(item, key)


def _check_tensors(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Refuse a member that holds a pickle of anything but tensors."""
    name = entry.filename.rpartition("/")[2]
    if name.startswith(_PICKLED):
        raise LinkGANError(f"{path} is refused: {entry.filename} is a pickled object")
    with archive.open(entry) as member:
        head = member.read(2)
        if head[:1] != b"\x80" and head != b"PK":
            return
    try:
        torch.load(io.BytesIO(archive.read(entry)), map_location="cpu", weights_only=True)
    except Exception as error:
        raise LinkGANError(f"{path} is refused: {entry.filename} holds more than tensors") from error
