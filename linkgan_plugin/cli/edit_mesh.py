"""`linkgan edit --mesh`: its options, and the meshes before and after every edit of a sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .params import FiniteRange, check_out, with_options

if TYPE_CHECKING:
    from ..editing.editor import Editor
    from ..editing.steps import Step
    from .edit_request import EditRequest

F = TypeVar("F", bound=Callable[..., Any])
_SUFFIXES = (".ply", ".obj")  # as in editing/meshes.py, which is not imported for --help


def mesh_options(command: F) -> F:
    """Add --mesh, --mesh-size and --mesh-level to a command, as `mesh`, `mesh_size` and `mesh_level`."""
    options = [
        click.option(
            "--mesh",
            type=click.Path(path_type=Path, dir_okay=False),
            help="3D: also write the objects' meshes, before and after each edit, to NAME-*.ply or NAME-*.obj.",
        ),
        click.option(
            "--mesh-size",
            type=click.IntRange(8, 512),
            default=128,
            show_default=True,
            help="3D: lattice points along a side of the volume.",
        ),
        click.option(
            "--mesh-level",
            type=FiniteRange(),
            default=10.0,
            show_default=True,
            help="3D: density on the surface, before softplus.",
        ),
    ]
    return with_options(command, options)


def check_mesh(asked: EditRequest, given: dict[str, str]) -> None:
    """Reject what does not go with meshes, or needs them.

    Args:
        asked: the command line.
        given: what was typed, as `typed_flags` returns it.
    Raises:
        click.UsageError: names the options.
    """
    if asked.mesh is None:
        for name in ("mesh_size", "mesh_level"):
            if name in given:
                raise click.UsageError(f"{given[name]} is of a mesh; add --mesh FILE.ply")
        return
    if asked.mesh.suffix.lower() not in _SUFFIXES:
        raise click.UsageError(f"--mesh {asked.mesh}: expected a name that ends in {' or '.join(_SUFFIXES)}")
    if asked.is_video:
        raise click.UsageError(f"--mesh goes with a sheet of edits; write --out to a .png instead of {asked.out.name}")


def write_meshes(asked: EditRequest, editors: Sequence[Editor], edits: Mapping[str, Callable[[Editor], Step]]) -> None:
    """Write the mesh of every object, and of it after every edit, with a progress bar; print the files' names.

    Files are called after `mesh`, the object's seed (or the number of its projection, from 1) and the edit.

    Args:
        asked: the command line, with `mesh`.
        editors: the objects.
        edits: names for the files, and the steps of each object.
    Raises:
        LinkGANError: a file exists, before the first mesh is made; or an object has no surface.
    """
    from tqdm import tqdm

    assert asked.mesh is not None
    numbers = range(1, len(editors) + 1) if asked.projections else asked.seeds
    objects = {}
    for number, editor in zip(numbers, editors, strict=True):
        objects[f"{number}"] = editor
        objects |= {f"{number}-{name}": editor.after(step(editor)) for name, step in edits.items()}
    files = {asked.mesh.with_stem(f"{asked.mesh.stem}-{name}"): editor for name, editor in objects.items()}
    for path in files:
        check_out(path, asked.force)
    for path, editor in tqdm(files.items(), "meshes", disable=None):
        editor.mesh(asked.mesh_size, asked.mesh_level).write(path)
    click.echo(f"wrote {len(files)} meshes: {', '.join(path.name for path in files)}")
