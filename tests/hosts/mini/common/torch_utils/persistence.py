"""Pickling networks together with the source of the module that defines them."""

import copy
import inspect
import io
import pickle
import sys
import types
import uuid

import dnnlib

VERSION = 6
_persistent = set()
_modules_by_source = {}


def persistent_class(original):
    """Make the instances of a class carry the source of its module and the arguments they were built with."""
    if original in _persistent:
        return original
    module = sys.modules[original.__module__]
    source = getattr(module, "_persistent_source", None) or inspect.getsource(module)
    _modules_by_source[source] = module

    class Persistent(original):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self._init_args, self._init_kwargs = copy.deepcopy(args), copy.deepcopy(kwargs)
            pickle.dump((self._init_args, self._init_kwargs), io.BytesIO())

        @property
        def init_args(self):
            return copy.deepcopy(self._init_args)

        @property
        def init_kwargs(self):
            return dnnlib.EasyDict(copy.deepcopy(self._init_kwargs))

        def __reduce__(self):
            name = original.__name__
            meta = {"type": "class", "version": VERSION, "module_src": source, "class_name": name}
            return _reconstruct_persistent_obj, ({**meta, "state": dict(self.__dict__)},)

    Persistent.__name__ = original.__name__
    _persistent.add(Persistent)
    return Persistent


def _reconstruct_persistent_obj(meta):
    assert meta["type"] == "class"
    assert meta["version"] == VERSION
    cls = persistent_class(getattr(_module_of(meta["module_src"]), meta["class_name"]))
    obj = cls.__new__(cls)
    state = dnnlib.EasyDict(meta["state"])
    if hasattr(obj, "__setstate__"):
        obj.__setstate__(state)
    else:
        obj.__dict__.update(state)
    return obj


def _module_of(source):
    if source not in _modules_by_source:
        module = types.ModuleType(f"_unpickled_{uuid.uuid4().hex}")
        module._persistent_source = source
        sys.modules[module.__name__] = _modules_by_source[source] = module
        exec(source, module.__dict__)
    return _modules_by_source[source]
