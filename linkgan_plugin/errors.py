"""The one error that means "the input was wrong", with the way out in its message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LinkGANError(ValueError):
    """Raised for input a user can mend: the message names the value, what was expected and the way out."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"known: a, b (did you mean 'a'?)"`` for an unknown `name`, or ``"none are known"``."""
    choices = sorted(known)
    if not choices:
        return "none are known"
    nearest = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f" (did you mean '{nearest[0]}'?)" if nearest else ""
    return f"known: {', '.join(choices)}{hint}"
