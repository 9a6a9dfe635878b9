"""`linkgan run --set KEY=VALUE`: options that a host has no flags for."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from typing import Any

from ..errors import LinkGANError, suggest

# What Python calls true, false and null: as strings, hosts would take each of them for true.
_PYTHON_WORDS = {"True": "true", "False": "false", "None": "null"}


def read_override(text: str) -> tuple[str, Any]:
    """Parse ``dotted.key=value``; the value is JSON, or else a plain string.

    Raises:
        LinkGANError: no key or no equals sign, or one of Python's words where JSON has another.
    """
    key, equals, value = text.partition("=")
    if not equals or not all(key.split(".")):
        raise LinkGANError(f"--set {text!r} is not KEY=VALUE, such as total_kimg=0.5 or G_kwargs.w_dim=128")
    if value in _PYTHON_WORDS:
        raise LinkGANError(f"--set {text}: values are JSON; write {key}={_PYTHON_WORDS[value]}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def override(options: MutableMapping[str, Any], overrides: Mapping[str, Any]) -> None:
    """Set dotted keys in a host's options, in place. The last name may be new; the groups before it must exist.

    Raises:
        LinkGANError: a group does not exist; suggests the nearest.
    """
    for key, value in overrides.items():
        *groups, name = key.split(".")
        inner: Any = options
        for group in groups:
            if not isinstance(inner.get(group), MutableMapping):
                known = [name for name, item in inner.items() if isinstance(item, MutableMapping)]
                raise LinkGANError(f"--set {key}: this host's options have no group {group!r}; {suggest(group, known)}")
            inner = inner[group]
        inner[name] = value
