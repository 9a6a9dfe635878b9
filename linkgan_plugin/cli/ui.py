"""`linkgan ui`: a web page for editing regions of images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .network_options import NetworkFlags, check_labels, check_links, class_option, host_option, links_options
from .params import DEVICE, command_line, existing_file, existing_path, gathered, typed_flags
from .serving import ServeFlags, check_installed, serve_options

if TYPE_CHECKING:
    from ..inversion.settings import InversionSettings


@click.command(
    epilog="""\b
Examples:
  linkgan ui network-snapshot-000100.pt
  linkgan ui network-snapshot-025000.pkl --psi 0.7 --open
  linkgan ui ffhq.pkl --directions smile.safetensors
  linkgan ui ffhq.pkl --encoder encoder.safetensors
  linkgan ui faces.safetensors --link 'eyes=auto@eyes' --port 9000
"""
)
@click.argument("snapshot", metavar="NET", type=existing_file)
@click.option("--psi", type=float, default=1.0, show_default=True, help="Truncation psi, 0 to 2.")
@links_options
@click.option("--data", type=existing_path, help="Data set with the classes or cameras to use.")
@class_option
@click.option(
    "--directions", type=existing_file, multiple=True, help="File of directions, shown as sliders; repeatable."
)
@click.option("--projection", type=existing_path, help="Folder written by `linkgan project`, opened first.")
@click.option(
    "--steps", type=click.IntRange(1), default=300, show_default=True, help="Inversion steps for a photograph."
)
@click.option(
    "--encoder",
    type=existing_file,
    metavar="FILE",
    help="Encoder: photographs can be edited at once and are refined in the background.",
)
@click.option(
    "--tune",
    type=click.IntRange(0),
    metavar="STEPS",
    help="Tuning steps for a photograph.  [default: 0; with --encoder its details if it has any, else 300]",
)
@click.option("--device", type=DEVICE, help="cpu, cuda, cuda:1; by default a GPU if available.")
@host_option
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder for saved edits.")
@serve_options
@gathered(NetworkFlags, ServeFlags)
def ui(
    source: NetworkFlags,
    server: ServeFlags,
    snapshot: Path,
    psi: float,
    directions: tuple[Path, ...],
    projection: Path | None,
    encoder: Path | None,
    steps: int,
    tune: int | None,
    device: str | None,
    keep: Path | None,
) -> None:
    """Edit images of NET, or uploaded photographs, in the browser: click on a region to resample it.

    Without links, draw a region, and directions that change it are found and shown as sliders.

    By default only this machine can open the page, and it loads nothing from the network. Edits are saved per network
    in the user's cache folder (or --keep) and are available after a restart. Ctrl-C stops the server.
    """
    check_installed()
    check_links()
    check_labels()
    from training_loops.processes import default_device

    from ..web.app import create_app
    from ..web.session import open_session

    settings = _settings(encoder is not None, steps, tune)
    listening = server.listen()
    session, first = open_session(
        snapshot,
        psi=psi,
        links=source.links,
        space=source.link_space,
        allow_overlap=source.link_overlap,
        data=source.data,
        number=source.number,
        directions=directions,
        projection=projection,
        settings=settings,
        encoder=encoder,
        device=device or default_device(),
        host=source.host,
        keep=keep,
        command=command_line(),
    )
    note = f"Edits are saved in {session.store.folder}. "
    server.serve(listening, partial(create_app, session), first, note)


def _settings(has_encoder: bool, steps: int, tune: int | None) -> InversionSettings | None:
    """Return the settings of inversions, None for the encoder's best; click.UsageError for a flag without effect."""
    from ..inversion.settings import RESTYLED, TUNE, InversionSettings

    if not has_encoder:
        return InversionSettings(steps=steps, tune=tune or 0)
    if "steps" in typed_flags():
        raise click.UsageError("--steps: only without --encoder, which takes no search")
    if tune is None:
        return None
    return InversionSettings(method=TUNE, tune=tune) if tune else InversionSettings(method=RESTYLED)
