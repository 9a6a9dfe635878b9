"""LinkGANError: the input was wrong; the message names the value given, what was expected and how to fix it."""

from __future__ import annotations

from training_loops.errors import InputError
from training_loops.errors import suggest as suggest

# One class with two names: errors of the embedded hosts' readers are also errors of this package.
LinkGANError = InputError


class Interrupted(Exception):
    """Ctrl-C: long work was stopped, and the same command resumes it."""
