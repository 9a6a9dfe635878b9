"""What several commands share: parameter types, and the command line as it was typed."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click

existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)
existing_path = click.Path(exists=True, path_type=Path)


class Seeds(click.ParamType):
    """A list of seeds: ``0-7`` (both ends included), ``1,5,9`` or both joined by commas."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Return the seeds in the order given."""
        if isinstance(value, list):
            return value
        seeds: list[int] = []
        for part in str(value).split(","):
            match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
            if match is None or int(match[2] or match[1]) < int(match[1]):
                self.fail(f"{value!r} is not a list of seeds; expected e.g. 0-7 or 1,5,9", param, ctx)
            seeds.extend(range(int(match[1]), int(match[2] or match[1]) + 1))
        return seeds


SEEDS = Seeds()


class Device(click.ParamType):
    """A device that is here: ``cpu``, ``cuda`` or ``cuda:1``."""

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


def command_line() -> str:
    """Return the command as typed, quoted for a shell, with the program's bare name."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
