"""What the commands of `linkgan bench` share: parameter types and options, and how a measurement is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from ..params import command_line, existing_file


class Numbers(click.ParamType):
    """Whole numbers from 1 on, joined by commas."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Return the numbers in the order given."""
        if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", str(value)):
            self.fail(f"{value!r} is not a list of numbers; expected e.g. 1,2,4,8", param, ctx)
        return [int(part) for part in str(value).split(",")]


NUMBERS = Numbers()
_NAME = re.compile(r"[A-Za-z][\w.-]*")
folder = click.Path(path_type=Path, file_okay=False)
threads_option = click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads.")


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write a measurement as JSON, with the command that made it and the versions that it depends on."""
    from training_loops.formats.atomic import write_json

    from ...metrics.record import versions

    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"command": command_line(), **result, "versions": versions()})
    click.echo(f"wrote {path}", err=True)


def named(text: str, what: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``.

    Raises:
        click.UsageError: another text; calls it a `what`.
    """
    name, equals, value = text.partition("=")
    if not equals or not _NAME.fullmatch(name):
        raise click.UsageError(f"{what} {text!r:.80}: expected NAME=VALUE")
    return name, value


def named_file(text: str, what: str = "network") -> tuple[str, Path]:
    """Return name and file of ``FILE``, which is called by its own name without suffix, or of ``NAME=FILE``.

    Raises:
        click.UsageError: neither, or no such file.
    """
    if Path(text).is_file():
        return Path(text).name.split(".")[0], Path(text)
    name, path = named(text, what)
    return name, Path(existing_file.convert(path, None, None))
