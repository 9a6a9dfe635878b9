"""Options of every command that opens a network file."""

from __future__ import annotations

from pathlib import Path

import click

host_option = click.option(
    "--host",
    envvar="LINKGAN_HOST",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder with the train.py of a .pkl, to use its classes instead of ours; its code runs. Or LINKGAN_HOST.",
)
