"""The allow-list: every global that a network snapshot may refer to, and its inert value.

Names are compared as exact pairs of module and qualified name, as stored in the pickle: joined by dots,
``training.dataset`` + ``os.system`` would look like a class of a host.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

from torch import nn

from training_loops.formats.budget import PICKLE, Budget
from training_loops.formats.pickles.arrays import Array, Dtype, from_buffer, scalar
from training_loops.formats.pickles.opcodes import check_key
from training_loops.formats.pickles.source import Source
from training_loops.formats.pickles.tensors import STORAGES, load_storage, rebuild_parameter, rebuild_tensor
from training_loops.formats.pickles.values import Allowed, Blob

from .nodes import Node, persistent

Pair = tuple[str, str]


class Kind(str, Enum):
    """The risk of a name in a pickle for a program that imports it, such as a host."""

    ALLOWED = "allowed"
    UNKNOWN = "not known here"
    DANGEROUS = "DANGEROUS"

    def __str__(self) -> str:
        return self.value


# Classes that networks of EG3D and R3GAN refer to by name: plain modules whose code is not in the file.
_R3GAN = {
    "training.networks": ("Generator", "Discriminator"),
    "R3GAN.Networks": (
        *("Convolution", "ResidualBlock", "UpsampleLayer", "DownsampleLayer", "GenerativeBasis", "DiscriminativeBasis"),
        *("GeneratorStage", "DiscriminatorStage", "Generator", "Discriminator"),
    ),
    "R3GAN.Resamplers": tuple(
        f"{kind}{way}sampler{form}"
        for kind in ("Interpolative", "Inplace")
        for way in ("Up", "Down")
        for form in ("Reference", "CUDA")
    ),
    "R3GAN.FusedOperators": ("BiasedActivationReference", "BiasedActivationCUDA"),
}
_HOST_CLASSES: frozenset[Pair] = frozenset(
    {
        *((module, name) for module, names in _R3GAN.items() for name in names),
        ("training.triplane", "OSGDecoder"),
        ("training.volumetric_rendering.ray_marcher", "MipRayMarcher2"),
        ("training.volumetric_rendering.ray_sampler", "RaySampler"),
        ("training.volumetric_rendering.renderer", "ImportanceRenderer"),
    }
)
_TORCH_CLASSES: frozenset[Pair] = frozenset(
    (value.__module__, value.__qualname__)
    for value in vars(nn).values()
    if isinstance(value, type) and issubclass(value, nn.Module)
)
_PATHS = dict.fromkeys(("pathlib", "pathlib._local"), ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"))
_NUMPY = ("numpy.core", "numpy._core")  # NumPy 2 renamed it
# A name that looks like a class, in a package outside Python's and the large libraries, whose classes could have side
# effects: unknown hosts have their module classes there.
_CLASS = re.compile(r"_?[A-Z]\w*", re.ASCII)
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_LIBRARIES = frozenset(
    {"__builtin__", "__main__", "copy_reg", "numpy", "pip", "pkg_resources", "scipy", "setuptools", "torch"}
)


def kind_of(module: str, name: str) -> Kind:
    """Return the risk of a global for a program that imports and calls it."""
    if (module, name) in ALLOWED or (module == "torch" and f"torch.{name}" in STORAGES):
        return Kind.ALLOWED
    return Kind.UNKNOWN if _is_foreign_class(module, name) else Kind.DANGEROUS


class AllowList:
    """The values of the globals of one file; unknown classes become inert nodes.

    Args:
        budget: of the file; its nodes charge it.
    Attributes:
        sources: every source text in the file once, with the class of the last object stored with it.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._table = _table(budget, self._persistent)
        self._sources: dict[int, tuple[str, str]] = {}

    def __call__(self, module: str, name: str) -> Allowed | None:
        allowed = self._table.get((module, name))
        if allowed is None and (_is_class(module, name) or _is_foreign_class(module, name)):
            full = f"{module}.{name}"
            return Allowed(full, new=partial(Node, full, {}, budget=self._budget))
        return allowed

    @property
    def sources(self) -> list[tuple[str, str]]:
        return list(self._sources.values())

    def _persistent(self, meta: Any) -> Node:
        node = persistent(meta, budget=self._budget)
        if node.source is not None:
            if id(node.source) not in self._sources:
                self._budget.charge(bytes=len(node.source))
            self._sources[id(node.source)] = node.class_name, node.source  # a network is stored after its parts
        return node


def _is_class(module: str, name: str) -> bool:
    return (module, name) in _HOST_CLASSES or (module, name) in _TORCH_CLASSES


def _is_foreign_class(module: str, name: str) -> bool:
    if module.startswith("dnnlib.tflib"):  # TensorFlow networks contain code that runs when they are opened
        return False
    root = module.partition(".")[0]
    if root in _LIBRARIES or root in sys.stdlib_module_names or root in sys.builtin_module_names:
        return False
    return _MODULE.fullmatch(module) is not None and _CLASS.fullmatch(name) is not None


def _dict(pairs: Any = ()) -> dict[Any, Any]:
    if type(pairs) not in (list, tuple) or not all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs):
        raise ValueError("a dict that is not built from pairs")
    for key, _ in pairs:
        check_key(key)
    return dict(pairs)


def _set(items: Any = ()) -> set[Any]:
    if type(items) not in (list, tuple):
        raise ValueError("a set that is not built from a list")
    for item in items:
        check_key(item)
    return set(items)


def _size(items: Any) -> tuple[Any, ...]:
    if type(items) is not tuple:
        raise ValueError("a size that is not a tuple")
    return items


def _encode(text: Any, encoding: Any, *, budget: Budget) -> Blob:
    if type(text) is not str or encoding != "latin1":
        raise ValueError("bytes that are not text in latin1")
    return Blob(Source(io.BytesIO(text.encode("latin1"))), budget)


def _path(*parts: Any) -> str:
    """Return a path as text; it is never opened."""
    if not all(type(part) is str for part in parts):
        raise ValueError("a path that is not text")
    return "/".join(parts)


def _device(kind: Any, number: Any = None) -> str:
    if type(kind) is not str or type(number) not in (int, type(None)):
        raise ValueError("a device that is not named by text and a number")
    return kind if number is None else f"{kind}:{number}"


def _table(budget: Budget, persistent: Callable[[Any], Node]) -> dict[Pair, Allowed]:
    calls: dict[Pair, Callable[..., Any] | None] = {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): persistent,
        ("builtins", "set"): _set,
        ("__builtin__", "set"): _set,  # its name in protocol 2
        ("_codecs", "encode"): partial(_encode, budget=budget),
        ("torch.storage", "_load_from_bytes"): load_storage,
        ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): rebuild_parameter,
        ("torch", "Size"): _size,
        ("numpy", "dtype"): Dtype,
        ("numpy", "ndarray"): None,
        **{("torch", dtype): None for dtype in ("float16", "bfloat16", "float32", "float64", "int32", "int64")},
    }
    for core in _NUMPY:
        calls[f"{core}.multiarray", "scalar"] = scalar
        calls[f"{core}.multiarray", "_reconstruct"] = Array
        calls[f"{core}.numeric", "_frombuffer"] = from_buffer
    table = {pair: Allowed(".".join(pair), call=call) for pair, call in calls.items()}
    for pair in (("dnnlib.util", "EasyDict"), ("collections", "OrderedDict")):
        table[pair] = Allowed(".".join(pair), call=_dict, new=dict)
    # Command-line options and the values in them, which other projects store next to their weights.
    for module, names in _PATHS.items():
        table.update({(module, name): Allowed(f"{module}.{name}", call=_path) for name in names})
    table["torch", "device"] = Allowed("torch.device", call=_device)
    options = "argparse.Namespace"
    table["argparse", "Namespace"] = Allowed(options, new=partial(Node, options, {}, budget=budget))
    return table


ALLOWED: frozenset[Pair] = frozenset(AllowList(Budget("", PICKLE))._table) | _HOST_CLASSES | _TORCH_CLASSES
