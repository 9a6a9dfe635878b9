"""Small helpers: objects by dotted name, and readable durations."""

from __future__ import annotations

import importlib
from typing import Any

from training_loops.errors import OptionError


def get_object_by_name(name: str) -> Any:
    """Return the object with a dotted name, such as ``torch.optim.Adam``.

    Raises OptionError when no prefix of `name` can be imported or an attribute is missing. An import error inside
    the named module is raised unchanged, because its message shows the cause.
    """
    parts = name.split(".")
    for split in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:split])
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is not None and (module_name + ".").startswith(error.name + "."):
                continue
            raise
        for attribute in parts[split:]:
            if not hasattr(found, attribute):
                raise OptionError(f"class_name {name!r}: module {module_name!r} has no {attribute!r}")
            found = getattr(found, attribute)
        return found
    raise OptionError(f"class_name {name!r}: expected a dotted name such as 'package.module.Class'")


def construct_class_by_name(*args: Any, class_name: str, **kwargs: Any) -> Any:
    """Call the class or function named `class_name` with the other arguments."""
    return get_object_by_name(class_name)(*args, **kwargs)


def format_time(seconds: float) -> str:
    """Return `seconds` as ``12s``, ``3m 04s``, ``1h 02m 03s`` or ``2d 03h 04m``."""
    s = round(seconds)
    if s < 60:
        return f"{s}s"
    if s < 60 * 60:
        return f"{s // 60}m {s % 60:02d}s"
    if s < 24 * 60 * 60:
        return f"{s // 3600}h {s // 60 % 60:02d}m {s % 60:02d}s"
    return f"{s // 86400}d {s // 3600 % 24:02d}h {s // 60 % 60:02d}m"
