"""Exact conversion of plain Python data to JSON and back, including tuples, non-text keys and infinities."""

from __future__ import annotations

import json
import math
from typing import Any

from training_loops.errors import InputError
from training_loops.formats.json_text import parse_json
from training_loops.formats.pickles.source import PickleError

# A dict with this single key represents values that JSON does not support.
_TAG = "$"


def dumps(data: Any) -> str:
    """Return numbers, text, None, and lists, tuples and dicts of them as JSON that `loads` converts back."""
    return json.dumps(_encoded(data), allow_nan=False, separators=(",", ":"))


def loads(text: str) -> Any:
    """Return the data of a text from `dumps`.

    Raises:
        InputError: other text, or above the limits.
    """
    try:
        return _decoded(parse_json(text, "the description"))
    except InputError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise PickleError(f"an invalid description ({str(error)[:200]})") from error


def _encoded(data: Any) -> Any:
    if isinstance(data, tuple):
        return {_TAG: ["tuple", [_encoded(item) for item in data]]}
    if isinstance(data, list):
        return [_encoded(item) for item in data]
    if isinstance(data, dict):
        if all(type(key) is str for key in data) and _TAG not in data:
            return {key: _encoded(item) for key, item in data.items()}
        return {_TAG: ["dict", [[_encoded(key), _encoded(item)] for key, item in data.items()]]}
    if isinstance(data, float) and not math.isfinite(data):
        return {_TAG: ["float", repr(data)]}
    return data


def _decoded(data: Any) -> Any:
    if isinstance(data, list):
        return [_decoded(item) for item in data]
    if not isinstance(data, dict):
        return data
    if _TAG not in data:
        return {key: _decoded(item) for key, item in data.items()}
    kind, value = data[_TAG]
    if kind == "tuple":
        return tuple(_decoded(item) for item in value)
    if kind == "dict":
        return {_decoded(key): _decoded(item) for key, item in value}
    if kind == "float":
        return float(value)
    raise ValueError(f"a value of kind {kind!r}")
