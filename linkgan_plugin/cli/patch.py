"""`linkgan patch`: inserts the plugin into a host's files, and removes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..errors import LinkGANError
from ..hosts import patching
from ..hosts.insertions import FileChange, encode, host_root
from .params import existing_path

EPILOG = """\b
Examples:
  linkgan patch status stylegan3
  linkgan patch apply stylegan3 --dry-run
  linkgan patch apply stylegan3
  cd stylegan3 && python train.py --loss=linkgan --link 'eyes=0:64@eyes' ...
  linkgan patch revert stylegan3
\b
DIR is a checkout of stylegan2-ada-pytorch, stylegan3, eg3d or a fork of one: the folder that
contains train.py, or its parent. `linkgan run DIR/train.py -- ...` makes the same insertions in memory.
"""
MARKS = {"applied": "+", "not applied": " ", "outdated": "!", "edited": "!", "anchor missing": "-", "file missing": "-"}


@click.group(epilog=EPILOG)
def patch() -> None:
    """Insert the plugin into a host's files, or remove it.

    A patch is a few marked lines that import linkgan_plugin; no other line changes. Applying it twice has no further
    effect; revert restores every byte. Either all files are changed or none.
    """


@patch.command(short_help="Show which patches are applied.", epilog="\b\nExample:\n  linkgan patch status stylegan3")
@click.argument("folder", metavar="DIR", type=existing_path)
def status(folder: Path) -> None:
    """Show which patches are applied to DIR, one line per insertion; changes nothing.

    \b
    applied         inserted by this version of the plugin
    not applied     not inserted; `apply` inserts it
    outdated        inserted by another version, or moved; `apply` updates it
    edited          changed between the marks; `apply` and `revert` refuse
    anchor missing  the line to insert at is missing, or occurs several times
    file missing    the host does not have this file
    """
    root = host_root(folder)
    try:
        found = patching.status(root)
    except LinkGANError as error:  # broken marks are also a status
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
@click.option("--no-compat", is_flag=True, help="Omit (or remove) the fixes for current torch, numpy and scipy.")
def apply(folder: Path, dry_run: bool, no_compat: bool) -> None:
    """Insert the plugin's lines into DIR; its `python train.py` then accepts --loss=linkgan.

    Fails without changes if a line to insert at is missing or the lines between the marks were edited.
    """
    if dry_run:
        _show(patching.applying(folder, compat=not no_compat))
        return
    changed = patching.apply(folder, compat=not no_compat)
    _report("patched", changed, "nothing to do: already applied")
    for row in patching.status(folder).rows:
        if row.state in (patching.State.ANCHOR_MISSING, patching.State.FILE_MISSING):
            click.echo(f"skipped {row.name} ({row.group}): {row.file} {row.note or 'does not exist'}")


@patch.command(
    short_help="Remove the plugin's lines.",
    epilog="\b\nExamples:\n  linkgan patch revert stylegan3 --dry-run\n  linkgan patch revert stylegan3",
)
@click.argument("folder", metavar="DIR", type=existing_path)
@click.option("--dry-run", is_flag=True, help="Print the diff and change nothing.")
def revert(folder: Path, dry_run: bool) -> None:
    """Remove the plugin's lines from DIR; your edits outside the marks are kept.

    Fails without changes if the lines between the marks were edited.
    """
    if dry_run:
        _show(patching.reverting(folder))
    else:
        _report("reverted", patching.revert(folder), "nothing to do: not patched")


def _show(changes: Sequence[FileChange]) -> None:
    """Print a diff byte for byte, so that `git apply` accepts it."""
    click.echo(encode(patching.diff(changes)), nl=False)


def _report(verb: str, changes: Sequence[FileChange], nothing: str) -> None:
    """Print the names of the changed files."""
    for change in changes:
        click.echo(f"{verb} {change.file}")
    if not changes:
        click.echo(nothing)
