"""`linkgan edit`: redraw regions of generated images and write a sheet of what changed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .network_options import host_option
from .params import SEEDS, command_line, existing_file, existing_path


@click.command(
    epilog="""\b
Examples:
  linkgan edit network-snapshot-000100.pt --region eyes --seeds 0-7 --out sheet.png
  linkgan edit network-snapshot-000100.pt --region eyes --region rest --donor-seed 5 --variants 6 --out sheet.png
  linkgan edit network-snapshot-000200.pkl --host ~/stylegan3 --region eyes --out sheet.png
"""
)
@click.argument("snapshot", type=existing_file)
@click.option("--region", "regions", multiple=True, help="Region to redraw (repeat for several), rest, or all.")
@click.option("--seeds", type=SEEDS, default="0-7", show_default=True, help="Images to edit: 0-7 or 1,5,9.")
@click.option("--donor-seed", type=int, default=10_000, show_default=True, help="Seed of the first redrawn variant.")
@click.option("--variants", type=click.IntRange(1), default=4, show_default=True)
@click.option("--psi", type=float, default=1.0, show_default=True, help="Truncation psi.")
@click.option("--link", "links", multiple=True, help="Links to use instead of those that the network carries.")
@click.option("--data", type=existing_path, help="Data set to take classes or cameras from; else the one trained on.")
@click.option("--wrapper", default="linked", show_default=True, help="Generator wrapper plugin.")
@click.option("--cell", type=click.IntRange(16), default=96, show_default=True, help="About the size of an image.")
@host_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="PNG to write.")
def edit(
    snapshot: Path,
    regions: tuple[str, ...],
    seeds: list[int],
    donor_seed: int,
    variants: int,
    psi: float,
    links: tuple[str, ...],
    data: Path | None,
    wrapper: str,
    cell: int,
    host: Path | None,
    out: Path,
) -> None:
    """Redraw regions of generated images: one row per seed, variants side by side, then a map of what changed."""
    from .. import registry
    from ..networks import load_network
    from ..report.pictures import save_png
    from ..report.sheet import edit_sheet

    network = load_network(snapshot, host=host)
    generator = registry.load("generators", wrapper)(
        network.generator, network.linked(links), truncation_psi=psi, labels=network.labels(data)
    )
    for name in regions:
        if name != "all":
            generator.block(name)
    sheet = edit_sheet(
        generator,
        seeds,
        regions or generator.spec.block_names,
        variants=variants,
        donor_seed=donor_seed,
        cell=cell,
    )
    metadata = {
        "command": command_line(),
        "seeds": ",".join(map(str, seeds)),
        "donor_seed": str(donor_seed),
        "link_spec": json.dumps(generator.spec.to_json()),
    }
    save_png(out, sheet, metadata)
    click.echo(f"wrote {out} ({sheet.shape[1]} x {sheet.shape[0]})")
