"""Taking from files of networks what computes, and refusing what could do more.

TorchScript is a language of its own that cannot reach Python; what it can reach are PyTorch's operators, of which some
write and read files. A torch.export file names operators and Python functions by dotted paths, writes sizes as formulas
that are evaluated, may hold pickles, and native libraries beside the graph: PyTorch's own loader trusts all of them.

So PyTorch never gets the file. It gets a copy, made here, of the members that a network consists of, each of which has
been read first; whatever else the archive holds, under whatever spelling, is not in it.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import LinkGANError

# PyTorch packs code alone, which is never as large: bytes.
_LARGEST_PACKED = 64 << 20
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
# The members of an archive, without its root folder, that make a network.
_TORCHSCRIPT = re.compile(r"code/[\w/]+\.py|(?:data|constants)(?:\.pkl|/\d+)|version|byteorder")
_PROGRAM = re.compile(
    r"models/model\.json|data/weights/(?:weight_\d+|model_weights_config\.json)|data/sample_inputs/model\.pt"
    r"|data/constants/(?:tensor_\d+|model_constants_config\.json)|archive_format|archive_version|\.data/version|byteorder"
)


def take_script(path: Path) -> io.BytesIO:
    """Return the TorchScript in a file, as an archive of its own.

    Raises:
        LinkGANError: no TorchScript, or code that opens files or uses compiled classes; names the code.
    """
    members = _members(path, _TORCHSCRIPT)
    code = {name: text for name, text in members.items() if name.startswith("code/")}
    if not code:
        raise LinkGANError(f"{path} holds no TorchScript; save the network with torch.jit.save")
    for name, text in code.items():
        found = _FILE_OPERATORS.search(text)
        if found:
            raise LinkGANError(
                f"{path} is refused: its code uses {found.group().decode()} ({name}), which a network has no need of"
            )
    return _archive(members)


def take_program(path: Path) -> io.BytesIO:
    """Return the exported network in a torch.export file, as an archive of its own.

    Raises:
        LinkGANError: no such file, or one with pickled objects, foreign functions or odd formulas; names them.
    """
    members = _members(path, _PROGRAM)
    if "models/model.json" not in members:
        raise LinkGANError(f"{path} holds no exported network; save it with torch.export.save of PyTorch 2.7 or later")
    for name, content in members.items():
        if name.endswith(".json"):
            data = json.loads(content)
            _check_graph(path, data)
            members[name] = json.dumps(data).encode()  # of a key that comes twice, what was checked
        elif name.endswith(".pt"):
            _check_tensors(path, name, content)
    return _archive(members)


def _members(path: Path, wanted: re.Pattern[str]) -> dict[str, bytes]:
    """Return the contents of the members whose names, without the archive's root folder, are wanted."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
        overlapping = sum(entry.compress_size for entry in entries) > path.stat().st_size
        if overlapping or sum(entry.file_size for entry in packed) > _LARGEST_PACKED:
            raise LinkGANError(f"{path} is refused: it unpacks to far more than its size")
        named = [(entry.filename.partition("/")[2], entry) for entry in entries]
        return {name: archive.read(entry) for name, entry in named if wanted.fullmatch(name)}


def _archive(members: Mapping[str, bytes]) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(f"network/{name}", content)
    made.seek(0)
    return made


def _check_graph(path: Path, data: Any) -> None:
    for key, value in _values(data):
        if key == "use_pickle" and value:
            raise LinkGANError(f"{path} is refused: it holds pickled tensors; export the network with plain ones")
        if key == "target" and not _OPERATOR.fullmatch(str(value)):
            raise LinkGANError(f"{path} is refused: it calls {str(value)[:200]!r}, no operator of PyTorch's core")
        if key == "expr_str" and not _FORMULA.fullmatch(str(value)):
            raise LinkGANError(f"{path} is refused: {str(value)[:200]!r} is no formula of a size")


def _values(data: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all (key, value) of nested data, of a list in a value its items."""
    if isinstance(data, dict):
        for name, item in data.items():
            yield from _values(item, name)
    elif isinstance(data, list):
        for item in data:
            yield from _values(item, key)
    else:
        yield key, data


def _check_tensors(path: Path, name: str, content: bytes) -> None:
    """Refuse a member that is not only tensors in plain containers; PyTorch tries again with all of pickle."""
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        raise LinkGANError(f"{path} is refused: {name} holds more than tensors") from error
