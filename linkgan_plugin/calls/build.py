"""Builds a host's own loss or generator from its dotted name."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import LinkGANError


def build_by_name(name: str, **kwargs: Any) -> Any:
    """Build ``package.module.Class`` with `kwargs`, as the hosts build their own classes.

    Raises:
        LinkGANError: there is no such class; states the reason.
    """
    module_name, _, attribute = name.rpartition(".")
    try:
        target = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise LinkGANError(f"host class {name!r} cannot be found ({error}); expected package.module.Class") from error
    return target(**kwargs)
