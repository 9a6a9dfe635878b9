"""`linkgan convert`: converts a network file to another format."""

from __future__ import annotations

from pathlib import Path

import click

from .network_options import host_option
from .params import check_out, existing_file


@click.command(
    epilog="""\b
Examples:
  linkgan convert network-snapshot-025000.pkl faces.safetensors
  linkgan convert faces.safetensors faces.pkl --host ~/stylegan3
  linkgan convert network-snapshot-025000.pkl start.pt
  linkgan convert stylegan2-ffhq-config-f.pt ffhq.safetensors
  linkgan train --data faces.zip --outdir runs --resume start.pt --kimg 20
"""
)
@click.argument("source", metavar="IN", type=existing_file)
@click.argument("target", metavar="OUT", type=click.Path(dir_okay=False, path_type=Path))
@host_option
@click.option("--force", is_flag=True, help="Overwrite OUT if it exists.")
def convert(source: Path, target: Path, host: Path | None, force: bool) -> None:
    """Convert the networks in IN; the suffix of OUT selects the format.

    \b
    .pkl          a host's snapshot. Writing one needs the host's folder (--host). The file then opens
                  in the host without this package. Links are in it and in a .links.json next to it.
    .pt           a snapshot of the embedded host, which can resume from it (StyleGAN2 and EG3D).
    .safetensors  tensors and a JSON description; contains no code.

    IN is any of these, gzipped or not, or a .pt with a StyleGAN2 in the layout of rosinality's stylegan2-pytorch,
    as in checkpoints of e4e, pSp and ReStyle. The format is detected from the content.

    No code in IN is run. Tensors are copied exactly, with constructor arguments, links and data set options.
    """
    from training_loops.formats.text import printable

    from .. import sidecar
    from ..pickles.convert import PICKLES
    from ..pickles.convert import convert as write

    check_out(target, force)
    if target.suffix.lower() in PICKLES:
        check_out(sidecar.path_of(target), force)
    snapshot = write(source, target, host)
    roles = ", ".join(f"{role} ({node.class_name})" for role, node in snapshot.networks.items())
    for note in snapshot.notes:
        click.echo(printable(note))
    click.echo(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB): {roles}")
