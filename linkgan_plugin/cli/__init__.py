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
    """Where a subcommand is, and what `linkgan --help` says of it without importing it."""

    module: str
    attribute: str
    summary: str


COMMANDS = {
    "demo": Target("demo", "demo", "From nothing to a linked generator and its report, on a CPU."),
    "train": Target("train", "train", "Train the embedded StyleGAN2 on your images, linked or not."),
    "run": Target("run", "run", "Run a real host's command with links, its files untouched."),
    "patch": Target("patch", "patch", "Make the same insertions in a host's files, and take them out again."),
    "doctor": Target("doctor", "doctor", "Examine a host: what it is, what breaks here and what helps."),
    "metrics": Target("metrics", "metrics", "Measure how local the links of a snapshot are."),
    "project": Target("project", "project", "Find photographs in a network, so that they can be edited."),
    "edit": Target("edit", "edit", "Redraw regions of generated images or photographs: sheets, videos."),
    "ui": Target("ui", "ui", "Click on regions in the browser to redraw them; photographs too."),
    "inspect": Target("inspect", "inspect", "What a network file holds, and whether it is safe; runs nothing."),
    "convert": Target("convert", "convert", "Host pickles, .safetensors and .pt snapshots into one another."),
    "regions": Target("regions", "regions", "Draw regions over real images, before training."),
    "segment": Target("segment", "segment", "Make segmentation networks, for regions that differ per image."),
    "data": Target("data", "data", "Make data sets: procedural faces with exact masks."),
    "bench": Target("bench", "bench", "What links cost and what they buy: overhead, metrics, recipes."),
    "plugins": Target("plugins", "plugins", "List plugins, where they come from, whether they load."),
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
    """A click group that knows its subcommands by a table and imports one only to run it."""

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
        with formatter.section("Commands"):
            formatter.write_dl([(name, target.summary) for name, target in self.table.items()])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command; standard output that cannot be written, a full disk or a closed pipe, is no traceback."""
        try:
            try:
                return super().main(*args, **kwargs)
            except SystemExit:
                sys.stdout.flush()  # here, and not as the interpreter ends
                raise
        except OSError as error:
            if error.errno not in _UNWRITABLE or not _is_broken(sys.stdout):
                raise
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (for what is still to be flushed)
            if error.errno != errno.EPIPE:
                click.echo(f"Error: standard output cannot be written ({error.strerror})", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LinkGANError as error:
            # What a message quotes may come from a file: nothing in it steers the terminal.
            raise UserError("\n".join(map(printable, str(error).splitlines()))) from error
        except OSError as error:
            # No file of the user's, such as a closed pipe; or an error of a host's script, which is the host's to tell.
            if error.filename is None or ctx.invoked_subcommand == "run":
                raise
            raise UserError(str(error)) from error


def _is_broken(stream: TextIO) -> bool:
    """Return whether nothing can be written to a stream; a line end shows it."""
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
    """Teach a StyleGAN-family generator to answer "change only this region", and use one that can."""
    from ..segmentation import named

    named.forget()
