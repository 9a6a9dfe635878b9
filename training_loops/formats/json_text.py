"""Reads JSON from untrusted files: size, number of values and depth are bounded, and the fields of objects checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from training_loops.errors import InputError, suggest
from training_loops.formats.budget import DESCRIPTION, Budget, Limits
from training_loops.formats.text import printable

DEEPEST = 200  # levels of nesting; descriptions of networks have less than 60
_EXACT = 2**53  # integers up to this one are exact as floats


def parse_json(text: bytes | str, what: str, limits: Limits = DESCRIPTION) -> Any:
    """Return the value of JSON text.

    Args:
        text: UTF-8.
        what: the file, for messages.
        limits: bounds on its cost.
    Raises:
        InputError: invalid JSON, NaN or infinities, duplicate names, or more values than `limits` allow.
    """
    budget = Budget(what, limits)
    budget.charge(bytes=len(text))
    marks: tuple[Any, ...] = (b",", b":", b"[", b"{") if isinstance(text, bytes) else (",", ":", "[", "{")
    budget.charge(items=sum(text.count(mark) for mark in marks))  # an upper bound, before it is parsed
    try:
        data = json.loads(text, parse_constant=_no_number, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what}: not valid JSON ({_reason(error)})") from error
    _check_depth(data, what)
    return data


def parse_object(text: bytes | str, what: str, limits: Limits = DESCRIPTION) -> dict[str, Any]:
    """Return the JSON object in text. Raises InputError as `parse_json` does, and for values of other types."""
    data = parse_json(text, what, limits)
    if not isinstance(data, dict):
        raise InputError(f"{what}: holds a {type(data).__name__}, expected a JSON object")
    return data


def fields_of(
    data: Any,
    where: str,
    required: Mapping[str, Any],
    optional: Mapping[str, Any] | None = None,
    *,
    extra: bool = False,
) -> dict[str, Any]:
    """Return the declared fields of a JSON object.

    Args:
        data: the value that should be an object.
        where: its name, for messages.
        required: the type of each field that must be present: a type, a union such as ``dict | None``, or `object` for
            any value. Types match exactly, so True is no int; a float may also be given as an integer up to 2^53 and
            is returned as a float.
        optional: the type of each field that may be missing; missing fields are not in the result.
        extra: whether other fields are ignored instead of refused.
    Raises:
        InputError: not an object, or a field is missing, of another type or unknown; names the field.
    """
    kinds = {**required, **(optional or {})}
    if not isinstance(data, Mapping):
        raise InputError(f"{where} must be a JSON object, not {type(data).__name__}: {data!r:.60}")
    for name in data if not extra else ():
        if name not in kinds:
            raise InputError(printable(f"{where} has an unknown field '{name!s:.80}'; {suggest(str(name), kinds)}"))
    found = {}
    for name, kind in kinds.items():
        if name in data:
            found[name] = _of_kind(data[name], kind, f"{where}: '{name}'")
        elif name in required:
            of_type = "" if kind is object else f" of type {_type_name(kind)}"
            raise InputError(f"{where} has no '{name}'; it needs one{of_type}")
    return found


def _of_kind(value: Any, kind: Any, what: str) -> Any:
    kinds = get_args(kind) or (kind,)
    if float in kinds and type(value) is int and abs(value) <= _EXACT:
        return float(value)
    if kind is not object and type(value) not in kinds:
        raise InputError(f"{what} must be of type {_type_name(kind)}, not {value!r:.60}")
    return value


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # readers differ in which one they use
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice!r:.80} occurs twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


def _check_depth(data: Any, what: str) -> None:
    level = [data]
    for _ in range(DEEPEST):
        level = [item for value in level if type(value) in (list, dict) for item in _items(value)]
        if not level:
            return
    raise InputError(f"{what}: nested more than {DEEPEST} levels deep")


def _items(value: Any) -> Any:
    return value.values() if type(value) is dict else value


def _reason(error: Exception) -> str:
    return "too deep" if isinstance(error, RecursionError) else printable(str(error)[:200])
