"""`linkgan link`: links the axes of a trained network to regions without training, by finding a basis for them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import LinkGANError
from .link_basis import find_basis
from .network_options import NetworkFlags, check_labels, check_links, class_option, host_option, links_options
from .params import DEVICE, aligned, existing_file, existing_path, gathered

if TYPE_CHECKING:
    from ..generators import LinkedGenerator
    from ..metrics.evaluate import LinkResult

MEASURED = ("locality", "effect_in")


@click.command(
    epilog="""\b
Examples:
  linkgan link network-snapshot-000060.pt --link 'eyes=16@box(0.25,0.3,0.75,0.5)' --out linked.pt
  linkgan link ffhq.pkl --link 'eyes=16@eyes' --link 'mouth=16@mouth' --out linked.safetensors --device cuda
  linkgan link ffhq.pkl --link 'eyes=16@eyes' --out linked.pkl
  linkgan edit linked.safetensors --region eyes --seeds 0-7 --out sheet.png
  linkgan train --data faces.zip --outdir runs --resume linked.pt --loss=linkgan --kimg 20
"""
)
@click.argument("network", metavar="NET", type=existing_file)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write: .safetensors, .pt, or .pkl. A .links.json is written next to it.",
)
@links_options
@click.option(
    "--probes",
    type=click.IntRange(1),
    help="Images the basis is found from, each with a backward pass per link and one more.  [default: 4096, or 8 per "
    "axis]",
)
@click.option("--batch", type=click.IntRange(1), help="Images at a time.")
@click.option("--pairs", type=click.IntRange(2), default=200, show_default=True, help="Image pairs that are measured.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--data", type=existing_path, help="Data set with labels, for networks that take classes or cameras.")
@class_option
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@host_option
@gathered(NetworkFlags)
def link(
    source: NetworkFlags,
    network: Path,
    out: Path,
    probes: int | None,
    batch: int | None,
    pairs: int,
    seed: int,
    device: str,
) -> None:
    """Link axes of NET to regions without training; the network itself is not changed.

    Finds a basis of the latent space in which each link's axes change its region most and the rest of the image least,
    from gradients of the network's own images. OUT is a copy of NET with the links and the basis, which edit, metrics,
    ui, project and train use. Prints how local the links are with the plain axes and in the basis.

    A .pkl is copied as it is, with its links in the .links.json next to it; with --host, the host's code writes the
    links into it. Training (linkgan train --link-basis) makes the links more local than any basis.
    """
    check_links()
    check_labels()

    from .. import sidecar
    from ..generators import LinkedGenerator
    from ..networks import load_network
    from ..pickles.attach import attach, check_target

    _check_absent(out, sidecar.path_of(out))
    check_target(network, out, source.host)
    opened = load_network(network, device, source.host)
    spec = source.linked(opened)
    labels = opened.labels(source.data, source.number)
    plain = LinkedGenerator(opened.generator, dataclasses.replace(spec, basis=None), labels=labels)
    basis = find_basis(plain, probes=probes, batch=batch, seed=seed)
    linked = LinkedGenerator(opened.generator, dataclasses.replace(spec, basis=basis), labels=labels)
    before, after = (_measured(generator, pairs, batch) for generator in (plain, linked))
    written = attach(network, out, linked.spec.to_json(), source.host)
    click.echo(_table(before, after))
    click.echo(f"wrote {' and '.join(map(str, written))}")


def _check_absent(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise LinkGANError(f"{path} exists; choose another name for --out")


def _measured(generator: LinkedGenerator, pairs: int, batch: int | None) -> dict[str, LinkResult]:
    from tqdm import tqdm

    from ..metrics.evaluate import evaluate

    with tqdm(total=pairs, unit="pair", desc="measuring", disable=None) as bar:
        return evaluate(generator, pairs=pairs, batch=batch or 16, metrics=MEASURED, progress=bar.update)


def _table(before: dict[str, LinkResult], after: dict[str, LinkResult]) -> str:
    """Return one row for each link and metric: the value with the plain axes and in the basis."""
    from ..metrics.estimate import shown

    rows = [["", "plain axes", "basis"]]
    for name in before:
        for key in MEASURED:
            found = [result[name].estimates[key] for result in (before, after)]
            rows.append([f"{name}/{key}", *(shown(estimate.value, estimate.stderr) for estimate in found)])
    return aligned(rows)
