"""Shared by the commands: parameter types, flags as dataclasses, and the command line as typed."""

from __future__ import annotations

import functools
import math
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from ..errors import LinkGANError

existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)
existing_path = click.Path(exists=True, path_type=Path)

MOST_SEEDS = 1_000_000
T = TypeVar("T")


class Seeds(click.ParamType):
    """A list of seeds: ``0-7`` (both ends included), ``1,5,9`` or both joined by commas."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Return the seeds in the order given."""
        if isinstance(value, list):
            return value
        seeds: list[int] = []
        for part in str(value).split(","):
            match = re.fullmatch(r"\s*(\d{1,18})(?:-(\d{1,18}))?\s*", part)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
            if last < first:
                self.fail(f"{value!r} is not a list of seeds; expected e.g. 0-7 or 1,5,9", param, ctx)
            if len(seeds) + last - first >= MOST_SEEDS:
                self.fail(f"{value!r} is more than {MOST_SEEDS} seeds; give fewer", param, ctx)
            seeds.extend(range(first, last + 1))
        return seeds


SEEDS = Seeds()


class Names(click.ParamType):
    """Names joined by commas; an empty text is an empty list."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """Return the names in the order given."""
        return value if isinstance(value, list) else [name for name in str(value).split(",") if name]


NAMES = Names()


class FiniteRange(click.FloatRange):
    """A finite number within limits; `click.FloatRange` also accepts nan and inf."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class Device(click.ParamType):
    """An available device: ``cpu``, ``cuda`` or ``cuda:1``."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name as it was given."""
        if value != "cpu":
            from training_loops.errors import OptionError
            from training_loops.processes import device_named

            try:
                device_named(value)
            except OptionError as error:
                self.fail(str(error), param, ctx)
        return str(value)


DEVICE = Device()


def taken(kind: Callable[..., T], values: Mapping[str, Any], **others: Any) -> T:
    """Return a dataclass built from the flags that have the names of its attributes.

    Args:
        kind: the dataclass.
        values: the values of the command's flags; those that are not attributes are ignored.
        others: attributes without a flag.
    """
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in values.items() if name in names}, **others)


def gathered(*kinds: type[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a command's function to receive the flags that are attributes of dataclasses as one object of each.

    The objects are the first arguments. All other flags are passed as keyword arguments.
    """
    names = {f.name for kind in kinds for f in fields(kind)}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def command(**values: Any) -> Any:
            others = {name: value for name, value in values.items() if name not in names}
            return function(*(taken(kind, values) for kind in kinds), **others)

        return command

    return decorate


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows as left-aligned columns, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


force_option = click.option("--force", is_flag=True, help="Overwrite --out if it exists.")


def with_options(command: T, options: Sequence[Callable[[T], T]]) -> T:
    """Add options to a command, in the order in which --help lists them."""
    for option in reversed(options):
        command = option(command)
    return command


def check_out(path: Path, force: bool) -> None:
    """Refuse to overwrite a file.

    Raises:
        LinkGANError: `path` exists and `force` was not given; names --force.
    """
    if path.exists() and not force:
        raise LinkGANError(f"{path} exists; choose another name, or overwrite it with --force")


def command_line() -> str:
    """Return the command as typed, quoted for a shell; starts with `linkgan` also under `python -m` and torchrun."""
    return shlex.join(["linkgan", *sys.argv[1:]])


def typed_flags() -> dict[str, str]:
    """Return the parameters typed on the command line: name -> flag."""
    ctx = click.get_current_context()
    typed = {name: value for name, value in ctx.params.items() if _was_typed(ctx, name)}
    return {p.name: _flag(p, typed[p.name]) for p in ctx.command.params if p.name in typed}


def _was_typed(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _flag(parameter: click.Parameter, value: Any) -> str:
    """Return the flag of a parameter; the --no- form if that was typed."""
    return parameter.secondary_opts[0] if value is False and parameter.secondary_opts else parameter.opts[0]
