"""LinkGANError: the input was wrong; the message names the value given, what was expected and how to fix it."""

from __future__ import annotations

from training_loops.errors import InputError
from training_loops.errors import suggest as suggest

# One class under two names: the errors of the embedded hosts' readers are errors of this package too.
LinkGANError = InputError


class Interrupted(Exception):
    """Ctrl-C: long work was stopped so that the same command goes on with it."""
