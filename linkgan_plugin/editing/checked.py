"""Checks of the values of steps, which may come from files and pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import LinkGANError
from .paths import PATHS

ALL = "all"  # every block of axes, including the rest
MAX_NUMBER = 1e6  # larger strengths are typing errors: images break far below


def set_fields(step: object, **values: Any) -> None:
    """Set fields of a frozen dataclass in its `__post_init__`."""
    for name, value in values.items():
        object.__setattr__(step, name, value)


def checked_names(regions: Any) -> tuple[str, ...]:
    """Return names of regions, each once; raises LinkGANError for none or what is no text."""
    names = (regions,) if isinstance(regions, str) else regions
    if not isinstance(names, Sequence) or not names or "" in names:
        raise LinkGANError(f"name at least one region, rest or {ALL}, not {regions!r:.60}")
    return tuple(dict.fromkeys(checked_name(name) for name in names))


def checked_name(region: Any) -> str:
    """Return the name of a region; raises LinkGANError for what is no text."""
    if not isinstance(region, str):
        raise LinkGANError(f"a region is named by text, not {region!r:.60}")
    return region


def checked_number(what: str, value: Any) -> float:
    """Return a number below `MAX_NUMBER` in size; raises LinkGANError, which names `what`, for others."""
    if not isinstance(value, bool) and isinstance(value, int | float) and abs(value) < MAX_NUMBER:
        return float(value)
    raise LinkGANError(f"{what} must be a number between -{MAX_NUMBER:g} and {MAX_NUMBER:g}, not {value!r:.60}")


def checked_layers(layers: Any) -> tuple[int, ...] | None:
    """Return numbers of layers, each once and in order, or None for all; raises LinkGANError for others."""
    if layers is None:
        return None
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        raise LinkGANError(f"layers are whole numbers from 0, not {layers!r:.60}")
    return tuple(sorted({checked_count("a layer", layer) for layer in layers}))


def checked_path(path: Any) -> str:
    """Return the name of a path; raises LinkGANError for an unknown one."""
    if path not in PATHS:
        raise LinkGANError(f"a path is {path!r:.60}, expected one of: {', '.join(PATHS)}")
    return str(path)


def checked_count(what: str, value: Any) -> int:
    """Return a whole number from 0; raises LinkGANError, which names `what`, for others."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise LinkGANError(f"{what} must be a whole number from 0, not {value!r:.60}")
    return value
