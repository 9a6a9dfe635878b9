"""The options that choose donors which fit the rest of the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

MOST = 1024  # as in consistent.py, which is not imported for --help
F = TypeVar("F", bound=Callable[..., Any])


def consistent_options(command: F) -> F:
    """Add --consistent and --consistent-by to a command, as `consistent` and `consistent_by`."""
    count = click.option(
        "--consistent",
        type=click.IntRange(2, MOST),
        metavar="N",
        help="Draw N samples for each edit and use the one that best fits the rest of the image.",
    )
    by = click.option(
        "--consistent-by",
        type=click.Choice(["rest", "critic"]),
        default="rest",
        show_default=True,
        help="Fit: nearest unedited latents, or highest logit of the snapshot's discriminator.",
    )
    return count(by(command))


def check_consistent(given: Mapping[str, str]) -> None:
    """Reject --consistent-by without --consistent.

    Args:
        given: what was typed, as `typed_flags` returns it.
    Raises:
        click.UsageError: it was.
    """
    if "consistent_by" in given and "consistent" not in given:
        raise click.UsageError("--consistent-by needs --consistent N, the number of samples to choose from")
