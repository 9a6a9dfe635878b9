"""The allow-list: every global that a network snapshot may refer to, and the inert value it stands for."""

from __future__ import annotations

import io
import re
from functools import partial
from typing import Any

from .arrays import Array, Dtype, from_buffer, scalar
from .nodes import Node, persistent
from .opcodes import check_key
from .source import Source
from .tensors import load_storage, rebuild_parameter, rebuild_tensor
from .values import Allowed, Blob

# Module classes that hosts refer to by name. Nothing is imported: a name becomes a label on an inert node.
_MODULE_CLASS = re.compile(r"(torch\.nn\.modules|training|R3GAN)(\.\w+){2,4}", re.ASCII)


def lookup(name: str) -> Allowed | None:
    """Return what the global `name` stands for in a snapshot, None where it has no business there."""
    allowed = _ALLOWED.get(name)
    if allowed is None and _MODULE_CLASS.fullmatch(name):
        return Allowed(name, new=partial(Node, name, {}))
    return allowed


def _dict(pairs: Any = ()) -> dict[Any, Any]:
    if type(pairs) not in (list, tuple) or not all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs):
        raise ValueError("a dict that is not made of pairs")
    for key, _ in pairs:
        check_key(key)
    return dict(pairs)


def _set(items: Any = ()) -> set[Any]:
    if type(items) not in (list, tuple):
        raise ValueError("a set that is not made of a list")
    for item in items:
        check_key(item)
    return set(items)


def _size(items: Any) -> tuple[Any, ...]:
    if type(items) is not tuple:
        raise ValueError("a size that is not a tuple")
    return items


def _encode(text: Any, encoding: Any) -> Blob:
    if type(text) is not str or encoding != "latin1":
        raise ValueError("bytes that are not text in latin1")
    return Blob(Source(io.BytesIO(text.encode("latin1"))))


def _table() -> dict[str, Allowed]:
    table = [
        Allowed("torch_utils.persistence._reconstruct_persistent_obj", call=persistent),
        Allowed("dnnlib.util.EasyDict", call=_dict, new=dict),
        Allowed("collections.OrderedDict", call=_dict, new=dict),
        Allowed("builtins.set", call=_set),
        Allowed("__builtin__.set", call=_set),  # its name in protocol 2
        Allowed("_codecs.encode", call=_encode),
        Allowed("torch.storage._load_from_bytes", call=load_storage),
        Allowed("torch._utils._rebuild_tensor", call=rebuild_tensor),
        Allowed("torch._utils._rebuild_tensor_v2", call=rebuild_tensor),
        Allowed("torch._utils._rebuild_parameter", call=rebuild_parameter),
        Allowed("torch._utils._rebuild_parameter_with_state", call=rebuild_parameter),
        Allowed("torch.Size", call=_size),
        Allowed("numpy.dtype", call=Dtype),
        Allowed("numpy.ndarray"),
        *(Allowed(f"torch.{dtype}") for dtype in ("float16", "bfloat16", "float32", "float64", "int32", "int64")),
    ]
    for core in ("numpy.core", "numpy._core"):  # NumPy 2 moved it
        table += [
            Allowed(f"{core}.multiarray.scalar", call=scalar),
            Allowed(f"{core}.multiarray._reconstruct", call=Array),
            Allowed(f"{core}.numeric._frombuffer", call=from_buffer),
        ]
    return {allowed.name: allowed for allowed in table}


_ALLOWED = _table()
