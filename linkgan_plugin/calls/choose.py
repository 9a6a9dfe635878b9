"""Chooses the adapter of a host: a plugin that matches it, else the generic one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from .. import registry
from ..errors import LinkGANError
from .generic import GenericHost

GENERIC = "generic"


def host_for(loss: Any, networks: Mapping[str, Any]) -> GenericHost:
    """Return the adapter for a host's loss and the arguments that its loop built it with.

    Every adapter in the entry-point group ``linkgan.hosts`` is a subclass of `GenericHost` with a class method
    ``matches(loss, networks) -> bool``; the first by name that matches is used, the generic one last. An adapter that
    fails to load is skipped with a warning.

    Raises:
        LinkGANError: no adapter matches; states what is missing.
    """
    for name in registry.names("hosts"):
        if name == GENERIC:
            continue
        try:
            adapter = registry.load("hosts", name)
        except LinkGANError as error:
            warnings.warn(f"host adapter skipped: {error}", stacklevel=2)
            continue
        if adapter.matches(loss, networks):
            return adapter(loss, networks)
    return registry.load("hosts", GENERIC)(loss, networks)
