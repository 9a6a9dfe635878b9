"""The `linkgan` command: a table of subcommands, each imported only when it is called."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any, NamedTuple, TextIO

import click

from training_loops.formats.text import printable

from ..errors import LinkGANError, suggest
from ..version import __version__

# Errors of a full or failing disk, and of a pipe that nobody reads.
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE}


class Target(NamedTuple):
    """Where a subcommand is defined, and its line in `linkgan --help`, which imports no subcommand.

    Attributes:
        module: module name, relative to this package.
        attribute: name of the click command in it.
        summary: one sentence.
        heading: the heading that the help lists it under.
    """

    module: str
    attribute: str
    summary: str
    heading: str = "Commands"


TRAIN, USE, MEASURE, HOSTS = "Train", "Use", "Measure", "Hosts and files"

COMMANDS = {
    "demo": Target("demo", "demo", "Train and evaluate a small linked generator on a CPU; writes a report.", TRAIN),
    "data": Target("data", "data", "Make procedural data sets with exact masks.", TRAIN),
    "regions": Target("regions", "regions", "Draw or preview regions on images before training.", TRAIN),
    "segment": Target("segment", "segment", "Train or export a segmentation network for semantic regions.", TRAIN),
    "train": Target("train", "train", "Train the embedded StyleGAN2 or EG3D, with or without links.", TRAIN),
    "link": Target("link", "link", "Link axes of a trained network to regions without training.", TRAIN),
    "directions": Target("directions", "directions", "Find directions of any network, whole or by region.", USE),
    "project": Target("project", "project", "Invert images: optimise latents, noise and optionally weights.", USE),
    "encoder": Target("encoder", "encoder", "Train encoders, which invert photographs in one forward pass.", USE),
    "edit": Target("edit", "edit", "Edit regions of generated images or photographs.", USE),
    "ui": Target("ui", "ui", "Edit regions in the browser.", USE),
    "metrics": Target("metrics", "metrics", "Measure how local the links of a snapshot are.", MEASURE),
    "bench": Target("bench", "bench", "Measure the overhead of links and compare recipes.", MEASURE),
    "run": Target("run", "run", "Run a host's command with links; no file of the host changes.", HOSTS),
    "patch": Target("patch", "patch", "Insert the plugin into a host's files, or remove it.", HOSTS),
    "selftest": Target("selftest", "selftest", "Check and measure this machine: the first command on a GPU.", HOSTS),
    "doctor": Target("doctor", "doctor", "Check a host for incompatibilities with the installed libraries.", HOSTS),
    "inspect": Target("inspect", "inspect", "Show the contents of a network file without running its code.", HOSTS),
    "convert": Target("convert", "convert", "Convert between host pickles, .safetensors and .pt snapshots.", HOSTS),
    "plugins": Target("plugins", "plugins", "List the installed plugins and check that they load.", HOSTS),
}

EPILOG = """\b
Examples:
  linkgan demo --quick --out runs/quick
  linkgan data faces --n 12000 --size 32 --out faces.zip
  linkgan regions preview --data faces.zip --link 'eyes=16@box(0.25,0.31,0.75,0.59)' --out preview.png
  linkgan train --data faces.zip --outdir runs --loss=linkgan --link 'eyes=0:16@box(0.25,0.31,0.75,0.59)'
  linkgan run stylegan3/train.py -- --cfg=stylegan2 --data=ffhq.zip ... --loss=linkgan --link 'eyes=auto@eyes'
  linkgan metrics runs/linked/network-snapshot-000200.pt
  linkgan edit runs/linked/network-snapshot-000200.pt --region eyes --seeds 0-7 --out sheet.png
  linkgan inspect network-snapshot-025000.pkl
\b
A link is NAME=AXES@REGION: latent axes 0:16, a count of free axes, or auto; a region is a preset
(eyes, mouth, ...), box(x0,y0,x1,y1) and other kinds, joined by + and &. See `linkgan regions`.
"""


class UserError(click.ClickException):
    """A mistake in the input: shown as one line, without a traceback."""

    exit_code = 2


class LazyGroup(click.Group):
    """A click group that reads its subcommands from a table and imports one only to run it."""

    def __init__(self, *args: Any, table: dict[str, Target], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        target = self.table[cmd_name]
        module = f"{__name__}.{target.module}"
        try:
            return getattr(importlib.import_module(module), target.attribute)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise UserError(f"'{cmd_name}' is not part of this installation of linkgan_plugin {__version__}") from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.table and not args[0].startswith("-"):
            raise click.UsageError(f"no command '{args[0]}'; {suggest(args[0], self.table)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.table), default=0)
        for heading in dict.fromkeys(target.heading for target in self.table.values()):
            with formatter.section(heading):
                rows = [(n.ljust(width), t.summary) for n, t in self.table.items() if t.heading == heading]
                formatter.write_dl(rows)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command; report unwritable standard output (full disk, closed pipe) without a traceback."""
        try:
            try:
                return super().main(*args, **kwargs)
            except SystemExit:
                sys.stdout.flush()  # here, not at interpreter exit
                raise
        except OSError as error:
            if error.errno not in _UNWRITABLE or not _is_broken(sys.stdout):
                raise
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (for output that is still buffered)
            if error.errno != errno.EPIPE:
                click.echo(f"Error: standard output cannot be written ({error.strerror})", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LinkGANError as error:
            # A message may quote text from a file: escape its control characters.
            raise UserError("\n".join(map(printable, str(error).splitlines()))) from error
        except OSError as error:
            # Not about a user's file (such as a closed pipe), or raised by a host's script: not reported here.
            if error.filename is None or ctx.invoked_subcommand == "run":
                raise
            raise UserError(str(error)) from error


def _is_broken(stream: TextIO) -> bool:
    """Return whether writing a newline to a stream fails."""
    try:
        stream.write("\n")
        stream.flush()
    except OSError:
        return True
    return False


@click.command(
    cls=LazyGroup,
    table=COMMANDS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="linkgan")
def main() -> None:
    """Train StyleGAN-family generators whose latent axes are linked to image regions, and edit images with them."""
    from ..segmentation import named

    named.forget()
