"""Errors for wrong input: the message names the value given, what was expected and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST_NAME = 80  # the comparison is quadratic in the length


class InputError(ValueError):
    """Input that a user can correct. The base class of such errors; linkgan_plugin calls it LinkGANError."""


class OptionError(InputError):
    """An option with an invalid value; the message names it, what was given and what was expected."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"known: a, b (did you mean 'a'?)"`` for an unknown `name`, or ``"none are known"``."""
    choices = sorted(known)
    if not choices:
        return "none are known"
    nearest = difflib.get_close_matches(name[:_LONGEST_NAME], choices, n=1, cutoff=0.5)
    hint = f" (did you mean '{nearest[0]}'?)" if nearest else ""
    return f"known: {', '.join(choices)}{hint}"
