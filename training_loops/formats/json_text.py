"""Reading JSON from elsewhere: bounded in size, number of values and depth."""

from __future__ import annotations

import json
from typing import Any

from training_loops.errors import InputError
from training_loops.formats.budget import DESCRIPTION, Budget, Limits
from training_loops.formats.text import printable

DEEPEST = 200  # values within each other; descriptions of networks nest less than 60 deep


def parse_json(text: bytes | str, what: str, limits: Limits = DESCRIPTION) -> Any:
    """Return the value of JSON text.

    Args:
        text: UTF-8.
        what: the file, for messages.
        limits: what it may cost.
    Raises:
        InputError: other text, NaN or infinities, names given twice, or more or deeper than `limits` allow.
    """
    budget = Budget(what, limits)
    budget.charge(bytes=len(text))
    marks: tuple[Any, ...] = (b",", b":", b"[", b"{") if isinstance(text, bytes) else (",", ":", "[", "{")
    budget.charge(items=sum(text.count(mark) for mark in marks))  # an upper bound, before anything is made of it
    try:
        data = json.loads(text, parse_constant=_no_number, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what}: not JSON that can be read ({_reason(error)})") from error
    _check_depth(data, what)
    return data


def parse_object(text: bytes | str, what: str, limits: Limits = DESCRIPTION) -> dict[str, Any]:
    """Return the JSON object in text. Raises InputError as `parse_json` does, and for another value."""
    data = parse_json(text, what, limits)
    if not isinstance(data, dict):
        raise InputError(f"{what}: holds a {type(data).__name__}, expected a JSON object")
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # two readers could take different ones
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice!r:.80} is given twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")


def _check_depth(data: Any, what: str) -> None:
    level = [data]
    for _ in range(DEEPEST):
        level = [item for value in level if type(value) in (list, dict) for item in _items(value)]
        if not level:
            return
    raise InputError(f"{what}: more than {DEEPEST} values within each other")


def _items(value: Any) -> Any:
    return value.values() if type(value) is dict else value


def _reason(error: Exception) -> str:
    return "too deep" if isinstance(error, RecursionError) else printable(str(error)[:200])
