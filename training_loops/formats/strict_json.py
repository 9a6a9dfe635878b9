"""Writes standard JSON: numbers that are not finite, which JSON cannot represent, become null."""

from __future__ import annotations

import json
import math
from typing import Any


def dumps(data: Any, **how: Any) -> str:
    """Return plain data as JSON, with null for NaN and infinity. `how` is passed to `json.dumps`."""
    return json.dumps(_finite(data), allow_nan=False, **how)


def not_finite(data: Any, place: str = "") -> str | None:
    """Return the place of a NaN or infinity in plain data, as ``a.b[2] is nan``, None where there is none."""
    if isinstance(data, float) and not math.isfinite(data):
        return f"{place or 'the value'} is {data}"
    items: Any = ()
    if isinstance(data, dict):
        items = ((f"{place}.{key}".lstrip("."), item) for key, item in data.items())
    elif isinstance(data, list | tuple):
        items = ((f"{place}[{number}]", item) for number, item in enumerate(data))
    return next((found for name, item in items if (found := not_finite(item, name))), None)


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data
