"""Pickling networks together with the source of the module that defines them."""

import copy
import functools
import inspect
import sys
import types

_modules = {}  # source -> the module that it became


def persistent_class(cls):
    """Make the instances of a class carry the source of its module and the arguments they were built with."""
    module = sys.modules[cls.__module__]
    source = vars(module).get("_source") or inspect.getsource(module)
    _modules[source] = module
    build = cls.__init__

    @functools.wraps(build)
    def build_and_note(self, *args, **kwargs):
        build(self, *args, **kwargs)
        self._init_args, self._init_kwargs = copy.deepcopy((args, kwargs))

    def reduce(self):
        about = {"type": "class", "version": 6, "module_src": source, "class_name": cls.__name__}
        return _reconstruct_persistent_obj, ({**about, "state": vars(self).copy()},)

    cls.__init__, cls.__reduce__ = build_and_note, reduce
    return cls


def _reconstruct_persistent_obj(meta):
    if (meta["type"], meta["version"]) != ("class", 6):
        raise ValueError("pickled by another version")
    cls = getattr(_modules.get(meta["module_src"]) or _run(meta["module_src"]), meta["class_name"])
    instance = cls.__new__(cls)
    instance.__setstate__(meta["state"])
    return instance


def _run(source):
    """Make a module of a source from a pickle."""
    module = types.ModuleType(f"pickled_source_{len(_modules)}")
    module._source, sys.modules[module.__name__] = source, module
    exec(source, vars(module))
    return module
