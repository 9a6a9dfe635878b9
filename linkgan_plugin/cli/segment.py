"""`linkgan segment`: make a segmentation network for `semantic(...)` regions."""

from __future__ import annotations

from pathlib import Path

import click

from .params import DEVICE, check_out, existing_path


@click.group()
def segment() -> None:
    """Make segmentation networks, for regions that differ from image to image."""


@segment.command(
    epilog="""\b
Examples:
  linkgan data faces --n 2000 --size 32 --seed 1 --out faces.zip --masks masks.zip
  linkgan segment train --data faces.zip --masks masks.zip --out parts.pt
  linkgan regions preview --data faces.zip --link 'hair=16@semantic(parts.pt,hair)' --out preview.png
"""
)
@click.option("--data", required=True, type=existing_path, help="Pictures: a zip or folder of PNGs.")
@click.option(
    "--masks", required=True, type=existing_path, help="Label maps of the same names: grey PNGs, class numbers."
)
@click.option(
    "--classes", metavar="NAME,...", help="Names of the classes by number; by default in the masks' parts.json."
)
@click.option("--steps", default=1500, show_default=True, type=click.IntRange(1), help="Training steps.")
@click.option("--batch", default=32, show_default=True, type=click.IntRange(1), help="Pictures per step.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="TorchScript file to write."
)
@click.option("--force", is_flag=True, help="Write over the file where it exists.")
def train(
    data: Path,
    masks: Path,
    classes: str | None,
    steps: int,
    batch: int,
    seed: int,
    device: str,
    out: Path,
    force: bool,
) -> None:
    """Train a small network that finds classes in pictures, and measure it on a tenth of them.

    255 in a label map means not labelled. The result is a TorchScript file for `semantic(FILE,CLASS)`.
    """
    import torch
    from tqdm import tqdm

    from ..segmentation import training

    check_out(out, force)
    names = tuple(name.strip() for name in classes.split(",")) if classes else None
    labelled = training.read_labelled(data, masks, names)
    torch.set_num_threads(1)
    with tqdm(total=steps, unit="step", desc="Training") as bar:

        def show(loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()

        network = training.train(labelled, steps=steps, batch=batch, seed=seed, device=device, progress=show)
    training.save_segmenter(out, network, labelled.classes)
    for name, value in zip(labelled.classes, training.overlaps(network, labelled), strict=True):
        click.echo(f"{name:16} intersection over union {value:.3f}")
    click.echo(f"wrote {out}")
