"""The options of `linkgan edit` that say which images regions are copied from, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..errors import LinkGANError
from .params import SEEDS, with_options

F = TypeVar("F", bound=Callable[..., Any])


class Donor(click.ParamType):
    """An image to copy regions from: a seed, or the folder or latents of a projection."""

    name = "seed|dir"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Path:
        """Return the seed or the path."""
        if str(value).isdecimal():
            return int(value)
        if Path(value).exists():
            return Path(value)
        return self.fail(f"{value!r} is neither a seed nor a projection; make one with `linkgan project`", param, ctx)


class Sum(click.ParamType):
    """Seeds with + and - between, checked as text."""

    name = "sum"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the sum as an `editing.arithmetic.Arithmetic`."""
        from ..editing.arithmetic import Arithmetic

        try:
            return Arithmetic.parse(value) if isinstance(value, str) else value
        except LinkGANError as error:
            return self.fail(str(error), param, ctx)


def donor_options(command: F) -> F:
    """Add --transplant, --arithmetic, --layers and --path to a command, as parameters of these names."""
    options = [
        click.option(
            "--transplant",
            type=Donor(),
            multiple=True,
            help="Copy the region from this image, a seed or a projection.",
        ),
        click.option(
            "--arithmetic",
            type=Sum(),
            multiple=True,
            help="Copy the region from a sum of seeds' latents, such as 3-5+8 or (0,2)-(1,4)+8, means in brackets.",
        ),
        click.option(
            "--layers", type=SEEDS, help="Change only these layers of the latents (style mixing): 0-3 or 4,5,6."
        ),
        click.option(
            "--path",
            type=click.Choice(["linear", "spherical"]),
            default="linear",
            show_default=True,
            help="Way to the other image: spherical keeps the lengths of latents in Z.",
        ),
    ]
    return with_options(command, options)
