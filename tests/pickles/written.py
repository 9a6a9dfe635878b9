"""Snapshots in the hosts' format made of networks of ours: objects that carry attributes, tensors and some source."""

from __future__ import annotations

import io
import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from torch import nn

NAME = "torch_utils.persistence"
META = {"type": "class", "version": 6, "module_src": "raise AssertionError('nothing may run this')"}


class _Stored:
    """Pickles as a host's object of the class `name` with the attributes `state`."""

    def __init__(self, name: str, state: dict[str, Any]) -> None:
        self.name, self.state = name, state
        self.source = META["module_src"]

    def __reduce__(self) -> Any:
        return _reconstruct_persistent_obj, (
            {**META, "module_src": self.source, "class_name": self.name, "state": self.state},
        )


def _reconstruct_persistent_obj(meta: Any) -> Any:
    raise AssertionError("nothing may call this")


_reconstruct_persistent_obj.__module__ = NAME


def stored(module: nn.Module, init_kwargs: dict[str, Any] | None = None, **attributes: Any) -> Any:
    """Return what pickles as a host's network does; `attributes` go over those of the network, None leaves one out."""
    plain = {k: v for k, v in vars(module).items() if type(v) in (int, float, str, bool, list, tuple, type(None))}
    state = {key: value for key, value in plain.items() if not key.startswith("_")}
    state |= {key: getattr(module, key) for key in ("_parameters", "_buffers", "_non_persistent_buffers_set")}
    state["_modules"] = OrderedDict((name, stored(child)) for name, child in module._modules.items())
    state |= {"_init_args": (), "_init_kwargs": init_kwargs or {}, **attributes}
    return _Stored(type(module).__name__, state)


def snapshot_bytes(**data: Any) -> bytes:
    """Return the pickle of a snapshot whose entries are `data`."""
    file = io.BytesIO()
    with reconstructing():
        pickle.dump({"training_set_kwargs": {"path": "/data/faces.zip"}, "augment_pipe": None, **data}, file)
    return file.getvalue()


@contextmanager
def reconstructing() -> Iterator[None]:
    """Let the block pickle what `stored` returns, also inside other files."""
    before = {name: sys.modules.get(name) for name in ("torch_utils", NAME)}
    sys.modules["torch_utils"], sys.modules[NAME] = ModuleType("torch_utils"), ModuleType(NAME)
    sys.modules[NAME]._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
