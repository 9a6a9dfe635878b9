"""`linkgan segment`: trains or exports segmentation networks for `semantic(...)` regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .params import DEVICE, check_out, existing_file, existing_path, force_option

SUFFIX = ".safetensors"


@click.group(
    epilog="\b\nExample:\n  linkgan segment train --data faces.zip --masks masks.zip --out parts.safetensors",
)
def segment() -> None:
    """Make segmentation networks for regions that differ between images."""


out_option = click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help=".safetensors file to write."
)


def check_network_out(out: Path, force: bool) -> None:
    """Reject an output file that exists or has another suffix.

    Raises:
        LinkGANError: states the fix.
    """
    from ..errors import LinkGANError

    if out.suffix != SUFFIX:
        raise LinkGANError(f"--out {out}: expected a name that ends in {SUFFIX}")
    check_out(out, force)


@segment.command(
    epilog="""\b
Examples:
  linkgan data faces --n 2000 --size 32 --seed 1 --out faces.zip --masks masks.zip
  linkgan segment train --data faces.zip --masks masks.zip --out parts.safetensors
  linkgan regions preview --data faces.zip --link 'hair=16@semantic(parts.safetensors,hair)' --out preview.png
"""
)
@click.option("--data", required=True, type=existing_path, help="Images: a zip or folder of PNGs.")
@click.option(
    "--masks",
    required=True,
    type=existing_path,
    help="Label maps with the same file names: grey PNGs of class numbers.",
)
@click.option(
    "--classes", metavar="NAME,...", help="Names of the classes by number; by default in the masks' parts.json."
)
@click.option("--steps", default=1500, show_default=True, type=click.IntRange(1), help="Training steps.")
@click.option("--batch", default=32, show_default=True, type=click.IntRange(1), help="Images per step.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@out_option
@force_option
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
    """Train a small segmentation network, and evaluate it on a held-out tenth of the images.

    255 in a label map means unlabelled. Images and label maps are matched by name. Use the result in regions:
    `semantic(FILE,CLASS)`.
    """
    import torch
    from tqdm import tqdm

    from ..segmentation import training

    check_network_out(out, force)
    names = class_names(classes) if classes else None
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


class Numbers(click.ParamType):
    """Three numbers for the channels, joined by commas."""

    name = "r,g,b"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Return the numbers; the network's card checks their range."""
        try:
            return tuple(float(part) for part in value.split(",")) if isinstance(value, str) else value
        except ValueError:
            self.fail(f"{value!r} is not three numbers such as 0.485,0.456,0.406", param, ctx)


class Size(click.ParamType):
    """A height and a width, or one number for both."""

    name = "h,w"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return (height, width)."""
        if not isinstance(value, str):
            return value
        parts = value.split(",")
        if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
            self.fail(f"{value!r} is not a size such as 512 or 480,640", param, ctx)
        return int(parts[0]), int(parts[-1])


@segment.command(
    epilog="""\b
Examples:
  linkgan segment export 79999_iter.pth --architecture bisenet_resnet18 --size 512 \\
      --classes skin,...,hat --out faces.safetensors
  linkgan segment export deeplab.pth --architecture deeplabv3_resnet50 --classes background,...,tv \\
      --out deeplab.safetensors
\b
Architectures: small_unet, bisenet_resnet18 (as in face-parsing.PyTorch), and deeplabv3_resnet50,
deeplabv3_resnet101, fcn_resnet50, fcn_resnet101 (as in torchvision).
"""
)
@click.argument("weights", type=existing_file)
@click.option("--architecture", required=True, metavar="NAME", help="Architecture of the weights; see below.")
@click.option(
    "--classes", required=True, metavar="NAME,...", help="Names of all classes, in the order of the output channels."
)
@click.option(
    "--mean",
    type=Numbers(),
    default="0.485,0.456,0.406",
    show_default=True,
    help="Channel means, for images in [0, 1].",
)
@click.option(
    "--std", type=Numbers(), default="0.229,0.224,0.225", show_default=True, help="Channel standard deviations."
)
@click.option("--size", type=Size(), help="Input size of the network; by default images are not resized.")
@out_option
@force_option
def export(
    weights: Path,
    architecture: str,
    classes: str,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    size: tuple[int, int] | None,
    out: Path,
    force: bool,
) -> None:
    """Write WEIGHTS, a state dict in .safetensors or .pth, as a network that is safe to open.

    The file stores tensors, the name of a known architecture and the input format; it contains no code. Weights that
    do not fit are rejected with the names and shapes that differ.
    """
    from ..segmentation.export import export_weights
    from ..segmentation.segmenter import Card

    check_network_out(out, force)
    card = Card(classes=class_names(classes), sha256="", mean=mean, std=std, size=size)
    export_weights(weights, out, architecture, card)
    click.echo(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB): {architecture}, {len(card.classes)} classes")


def class_names(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated list."""
    return tuple(name.strip() for name in text.split(","))
