"""`linkgan patch`: put the plugin into a host's own files, and take it out again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..errors import LinkGANError
from ..hosts import patching
from ..hosts.insertions import Change, encode, host_root
from .params import existing_path

EPILOG = """\b
Examples:
  linkgan patch status stylegan3
  linkgan patch apply stylegan3 --dry-run
  linkgan patch apply stylegan3
  cd stylegan3 && python train.py --loss=linkgan --link 'eyes=0:64@eyes' ...
  linkgan patch revert stylegan3
\b
DIR is a checkout of stylegan2-ada-pytorch, stylegan3, eg3d or a fork of one: the folder of its train.py, or
the folder above. `linkgan run DIR/train.py -- ...` makes the same insertions without writing any file.
"""
MARKS = {"applied": "+", "not applied": " ", "outdated": "!", "edited": "!", "anchor missing": "-", "file missing": "-"}


@click.group(epilog=EPILOG)
def patch() -> None:
    """Put the plugin into a host's own files, and take it out again.

    A patch is a few marked lines that import linkgan_plugin; everything else stays as it is. Applying twice is applying
    once, and revert gives back every byte. All files are changed or none.
    """


@patch.command(short_help="Tell what is patched.", epilog="\b\nExample:\n  linkgan patch status stylegan3")
@click.argument("folder", metavar="DIR", type=existing_path)
def status(folder: Path) -> None:
    """Tell what is patched in DIR, insertion by insertion; changes nothing.

    \b
    applied         in place, as this version of the plugin writes it
    not applied     not there; `apply` puts it in
    outdated        written by another version, or moved; `apply` renews it
    edited          changed between the marks; `apply` and `revert` refuse
    anchor missing  the host has no such place (or several)
    file missing    the host has no such file
    """
    root = host_root(folder)
    try:
        found = patching.status(root)
    except LinkGANError as error:  # broken marks are something to tell, too
        click.echo(f"{root}: marks are broken\n{error}")
        return
    click.echo(f"{root}: {found.overall} (family {found.family})")
    if found.problem:
        click.echo(f"cannot be patched: {found.problem}")
    for file in dict.fromkeys(row.file for row in found.rows):
        click.echo(f"  {file}")
        for row in found.rows:
            if row.file == file:
                note = f": {file} {row.note}" if row.note else ""
                click.echo(f"  {MARKS[row.state.value]} {row.name:12} {row.group:8} {row.state.value}{note}")


@patch.command(
    short_help="Insert the plugin's lines.",
    epilog="\b\nExamples:\n  linkgan patch apply stylegan3 --dry-run\n  linkgan patch apply eg3d --no-compat",
)
@click.argument("folder", metavar="DIR", type=existing_path)
@click.option("--dry-run", is_flag=True, help="Print the diff and change nothing.")
@click.option(
    "--no-compat", is_flag=True, help="Leave out (or take out) the remedies for today's torch, numpy and scipy."
)
def apply(folder: Path, dry_run: bool, no_compat: bool) -> None:
    """Insert the plugin's lines into DIR, so that its own `python train.py` knows --loss=linkgan.

    Refuses, and changes nothing, where a place for the lines is missing or someone edited between the marks.
    """
    if dry_run:
        _show(patching.applying(folder, compat=not no_compat))
        return
    changed = patching.apply(folder, compat=not no_compat)
    _tell("patched", changed, "nothing to do: all is in place")
    for row in patching.status(folder).rows:
        if row.state in (patching.State.ANCHOR_MISSING, patching.State.FILE_MISSING):
            click.echo(f"left out {row.name} ({row.group}): {row.file} {row.note or 'is not there'}")


@patch.command(
    short_help="Take them out again.",
    epilog="\b\nExamples:\n  linkgan patch revert stylegan3 --dry-run\n  linkgan patch revert stylegan3",
)
@click.argument("folder", metavar="DIR", type=existing_path)
@click.option("--dry-run", is_flag=True, help="Print the diff and change nothing.")
def revert(folder: Path, dry_run: bool) -> None:
    """Take the plugin's lines out of DIR again; your own edits outside of the marks stay.

    Refuses, and changes nothing, where someone edited between the marks.
    """
    if dry_run:
        _show(patching.reverting(folder))
    else:
        _tell("reverted", patching.revert(folder), "nothing to do: no lines of the plugin there")


def _show(changes: Sequence[Change]) -> None:
    """Print a diff byte for byte, so that it can be applied by others."""
    click.echo(encode(patching.diff(changes)), nl=False)


def _tell(verb: str, changes: Sequence[Change], nothing: str) -> None:
    """Name the files that changed."""
    for change in changes:
        click.echo(f"{verb} {change.file}")
    if not changes:
        click.echo(nothing)
