"""Networks in a .safetensors file: the tensors, and a JSON description of the networks in the metadata."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from training_loops.errors import InputError
from training_loops.formats.atomic import replacing
from training_loops.formats.budget import DESCRIPTION, Budget
from training_loops.formats.gzips import is_packed
from training_loops.formats.json_text import fields_of
from training_loops.formats.pickles.source import PickleError
from training_loops.formats.pickles.stored import StoredTensor

from ..version import __version__
from . import plain_json
from .nodes import Node
from .reader import NETWORKS, HostSnapshot
from .torch_files import read_state

SUFFIX = ".safetensors"
_KEY = "linkgan"
_VERSION = 1
_DESCRIPTION = "the description"
_SNAPSHOT_FIELDS = {"networks": dict, "training_set_kwargs": dict, "training_options": dict, "cur_nimg": int}
_NETWORK_FIELDS = {"class_name": str, "init_args": tuple, "init_kwargs": dict, "modules": dict, "buffers": list}
# The description of the largest public networks takes a few hundred kilobytes.
_LONGEST_HEADER = 16 << 20
_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}


class _FileTensor(StoredTensor):
    """A tensor in an open .safetensors file."""

    def __init__(self, file: Any, name: str) -> None:
        tensor = file.get_slice(name)
        if tensor.get_dtype() not in _TYPES:
            raise PickleError(f"{name} is of type {tensor.get_dtype()}, expected one of {', '.join(_TYPES)}")
        self.shape, self.dtype = tuple(tensor.get_shape()), _TYPES[tensor.get_dtype()]
        self._file, self._name = file, name

    @property
    def place(self) -> tuple[object, int]:
        """The tensor itself: tensors in these files do not share storages."""
        return id(self), self.nbytes

    def read(self, rows: dict[object, Tensor]) -> Tensor:
        """Return the tensor; its data is read from the file on demand."""
        tensor: Tensor = self._file.get_tensor(self._name)
        return tensor


def write_tensor_file(path: Path, snapshot: HostSnapshot, source: dict[str, Any]) -> None:
    """Write a snapshot's networks, their tensors one at a time, atomically.

    Args:
        path: the file to write.
        snapshot: the content.
        source: plain data about the original file, stored in the header.
    Raises:
        LinkGANError: networks that this format does not support.
    """
    description = {
        "version": _VERSION,
        "linkgan_plugin": __version__,
        "source": source,
        "networks": {role: _described(node) for role, node in snapshot.networks.items()},
        "training_set_kwargs": snapshot.training_set_kwargs,
        "training_options": snapshot.training_options,
        "cur_nimg": snapshot.cur_nimg,
    }
    header: dict[str, Any] = {"__metadata__": {"format": "pt", _KEY: plain_json.dumps(description)}}
    end = 0
    for name, tensor in _in_order(snapshot):
        start, end = end, end + tensor.nbytes
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _LONGEST_HEADER:
        raise PickleError(f"{snapshot.path}: a description of {len(text)} bytes, expected at most {_LONGEST_HEADER}")
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        _write_numbers(file, snapshot)


def read_tensor_file(path: Path | str) -> HostSnapshot:
    """Read the networks of a file written by `write_tensor_file`, or a generator in rosinality's layout.

    Raises:
        PickleError: no such file, damaged, or written by another program.
    """
    try:
        if is_packed(path):
            raise PickleError(".safetensors compressed by gzip; decompress it first (gunzip)")
        _check_header(Path(path))
        file: Any = safe_open(path, framework="pt")  # remains open for tensors that are read later
        metadata = file.metadata() or {}
        text = metadata.get(_KEY)
        names = file.keys()
        Budget(str(path), DESCRIPTION).charge(items=len(names))
        tensors = {name: _FileTensor(file, name) for name in names}
        if text is None:
            return read_state(Path(path), tensors, metadata)
        return _snapshot(str(path), plain_json.loads(text), tensors)
    except OSError as error:
        raise PickleError(f"{path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise PickleError(f"{path}: not a complete .safetensors file ({str(error)[:200]})") from error
    except InputError as error:
        raise PickleError(f"{path}: {error}") from error


def read_source(path: Path | str) -> dict[str, Any]:
    """Return the stored data about the original file, {} where there is none."""
    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get(_KEY)
    if text is None:
        return {}
    source: dict[str, Any] = fields_of(plain_json.loads(text), _DESCRIPTION, {"source": dict}, extra=True)["source"]
    return source


def _in_order(snapshot: HostSnapshot) -> Iterator[tuple[str, StoredTensor]]:
    """Yield every tensor with its network's name, wide dtypes first, which keeps all of them aligned."""
    for size in (8, 4, 2, 1):
        for role, node in snapshot.networks.items():
            for name, tensor in node.tensors().items():
                if tensor.dtype.itemsize == size:
                    yield f"{role}.{name}", tensor


def _write_numbers(file: BinaryIO, snapshot: HostSnapshot) -> None:
    for size in (8, 4, 2, 1):
        for node in snapshot.networks.values():
            for _, tensor in node.stream(lambda tensor, size=size: tensor.dtype.itemsize == size):  # type: ignore[misc]
                if tensor.numel():
                    file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _described(node: Node) -> dict[str, Any]:
    modules = dict(node.tree())
    return {
        "class_name": node.class_name,
        "source_digest": node.source_digest,
        "init_args": node.init_args,
        "init_kwargs": node.init_kwargs,
        "modules": {path: [module.class_name, module.attributes] for path, module in modules.items()},
        "buffers": [f"{path}.{name}".lstrip(".") for path, module in modules.items() for name in module.buffers],
    }


def _check_header(path: Path) -> None:
    with open(path, "rb") as file:
        head = file.read(8)
        size = int.from_bytes(head, "little")
        left = path.stat().st_size - 8
    if len(head) < 8 or size > min(left, _LONGEST_HEADER):
        limit = max(min(left, _LONGEST_HEADER), 0)
        raise PickleError(f"not a .safetensors file: a header of {size} bytes, expected at most {limit}")


def _snapshot(path: str, data: Any, tensors: dict[str, _FileTensor]) -> HostSnapshot:
    version = fields_of(data, _DESCRIPTION, {"version": int}, extra=True)["version"]
    if version != _VERSION:
        raise PickleError(f"version {version}, this program reads {_VERSION}")
    found = fields_of(data, _DESCRIPTION, _SNAPSHOT_FIELDS, extra=True)
    described = found["networks"]
    networks = {role: _node(role, described[role], tensors) for role in NETWORKS if role in described}
    if not networks:
        raise PickleError(f"none of {', '.join(NETWORKS[:3])} in it")
    return HostSnapshot(
        path,
        networks,
        training_set_kwargs=found["training_set_kwargs"],
        training_options=found["training_options"],
        cur_nimg=found["cur_nimg"],
    )


def _node(role: str, data: Any, tensors: dict[str, _FileTensor]) -> Node:
    """Build the network of a description from the tensors with its role as prefix."""
    found = fields_of(data, role, _NETWORK_FIELDS, extra=True)
    nodes: dict[str, Node] = {}
    for path, module in found["modules"].items():
        class_name, attributes = module if isinstance(module, list) and len(module) == 2 else (None, None)
        if type(class_name) is not str or type(attributes) is not dict or type(path) is not str:
            raise PickleError(f"{role}: module {path} is not described")
        nodes[path] = Node(class_name, {**attributes, "_parameters": {}, "_buffers": {}, "_modules": {}})
    if "" not in nodes:
        raise PickleError(f"{role}: the network itself is not described")
    for path, node in nodes.items():
        if path:
            _parent(nodes, role, path).state["_modules"][path.rpartition(".")[2]] = node
    buffers = {name for name in found["buffers"] if isinstance(name, str)}
    for name, tensor in tensors.items():
        if name.startswith(f"{role}."):
            path = name.removeprefix(f"{role}.")
            kind = "_buffers" if path in buffers else "_parameters"
            _parent(nodes, role, path).state[kind][path.rpartition(".")[2]] = tensor
    root = nodes[""]
    root.class_name = found["class_name"]
    if not root.class_name.isprintable():
        raise PickleError(f"{role}: {root.class_name[:80]!r} is not a class name")
    known = data.get("source_digest") is not None
    root.source_digest = fields_of(data, role, {"source_digest": str}, extra=True)["source_digest"] if known else None
    root.state |= {"_init_args": found["init_args"], "_init_kwargs": found["init_kwargs"]}
    return root


def _parent(nodes: dict[str, Node], role: str, path: str) -> Node:
    parent = nodes.get(path.rpartition(".")[0])
    if parent is None:
        raise PickleError(f"{role}: {path} is in a module that is not described")
    return parent
