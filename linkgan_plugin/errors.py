"""LinkGANError: the input was wrong; the message names the value, what was expected and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from training_loops.errors import InputError

# One class under two names: the errors of the embedded hosts' readers are errors of this package too.
LinkGANError = InputError


class Interrupted(Exception):
    """Ctrl-C: long work was stopped so that the same command goes on with it."""


_LONGEST_NAME = 80  # comparing takes the square of it


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"known: a, b (did you mean 'a'?)"`` for an unknown `name`, or ``"none are known"``."""
    choices = sorted(known)
    if not choices:
        return "none are known"
    nearest = difflib.get_close_matches(name[:_LONGEST_NAME], choices, n=1, cutoff=0.5)
    hint = f" (did you mean '{nearest[0]}'?)" if nearest else ""
    return f"known: {', '.join(choices)}{hint}"
