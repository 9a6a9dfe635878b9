"""`linkgan convert`: a network file as a file of another kind."""

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
@click.option("--force", is_flag=True, help="Write over OUT where it exists.")
def convert(source: Path, target: Path, host: Path | None, force: bool) -> None:
    """Turn the networks of IN into OUT, of which the ending of its name says what kind of file it becomes.

    \b
    .pkl          a host's snapshot. To write one, give the host's folder by --host: the file then opens
                  in the plain host, without this package.
    .pt           a snapshot of the embedded host, which trains on from it (StyleGAN2 and EG3D).
    .safetensors  tensors and a description, which no program can be tricked into running.

    IN may be any of these, packed by gzip or not, or a .pt with StyleGAN2 in the layout of rosinality's
    stylegan2-pytorch, which checkpoints of e4e, pSp and ReStyle hold too. Its content says which it is.

    Nothing in IN is run. Tensors keep every bit; constructor arguments, links and the data set's options go along.
    """
    from training_loops.formats.text import printable

    from ..pickles.convert import convert as write

    check_out(target, force)
    snapshot = write(source, target, host)
    roles = ", ".join(f"{role} ({node.class_name})" for role, node in snapshot.networks.items())
    for note in snapshot.notes:
        click.echo(printable(note))
    click.echo(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB): {roles}")
