"""JSON that every reader takes: numbers that are not finite, for which JSON has no words, become null."""

from __future__ import annotations

import json
import math
from typing import Any


def dumps(data: Any, **how: Any) -> str:
    """Return plain data as JSON, null standing for NaN and infinity. `how` is as for `json.dumps`."""
    return json.dumps(_finite(data), allow_nan=False, **how)


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data
