"""`linkgan data`: make data sets in the hosts' format."""

from __future__ import annotations

import click


@click.group(epilog="\b\nExample:\n  linkgan data faces --n 12000 --size 32 --out faces.zip")
def data() -> None:
    """Make data sets in the format that StyleGAN training commands read."""


@data.command()
@click.option("--n", default=12000, show_default=True, type=click.IntRange(1), help="Number of faces.")
@click.option("--size", default=32, show_default=True, type=click.IntRange(8), help="Pixels across, a power of two.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the faces.")
@click.option("--out", required=True, metavar="PATH", help="New zip (name ends in .zip) or folder for the images.")
@click.option("--masks", metavar="PATH", help="New zip or folder for label maps, one grey PNG per image.")
def faces(n: int, size: int, seed: int, out: str, masks: str | None) -> None:
    """Generate cartoon faces with exact part masks.

    attributes.json stores the parameters (gaze_x, mouth_open, hair_light, ...) of each face.
    A label map stores, for each pixel, the index of the part that covers most of it; parts.json names the parts.

    \b
    Examples:
      linkgan data faces --n 12000 --size 32 --out faces.zip
      linkgan data faces --n 500 --size 256 --seed 1 --out big.zip --masks big-masks.zip
    """
    import torch

    from training_loops.data.face_files import write_faces

    # Many small tensors: a second thread costs more than it saves, especially on a busy machine.
    torch.set_num_threads(1)
    written = write_faces(out, n, size, seed, masks=masks, progress=True)
    click.echo(f"{written} faces of {size}x{size} pixels: {out}" + (f", label maps: {masks}" if masks else ""))


@data.command()
@click.option("--n", default=12000, show_default=True, type=click.IntRange(1), help="Number of heads.")
@click.option("--size", default=64, show_default=True, type=click.IntRange(8), help="Pixels across, a power of two.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the heads and cameras.")
@click.option("--out", required=True, metavar="PATH", help="New zip (name ends in .zip) or folder for the images.")
@click.option("--masks", metavar="PATH", help="New zip or folder for label maps, one grey PNG per image.")
@click.option("--yaw", default=0.5, show_default=True, help="Largest camera yaw, in radians.")
@click.option("--pitch", default=0.25, show_default=True, help="Largest camera pitch, in radians.")
@click.option(
    "--spread",
    default="uniform",
    show_default=True,
    type=click.Choice(["uniform", "normal"]),
    help="Distribution of camera angles; for normal, the limits are two standard deviations.",
)
def heads3d(n: int, size: int, seed: int, out: str, masks: str | None, yaw: float, pitch: float, spread: str) -> None:
    """Render cartoon heads from many viewpoints, with camera labels, for 3D-aware generators.

    Every image has its own head and camera. Labels are those of EG3D: 16 numbers of the camera-to-world matrix and 9
    of the intrinsics. attributes.json stores the parameters (nose_length, smile, ...) of each head. A label map
    stores, for each pixel, the index of the part that covers most of it; parts.json names the parts.

    \b
    Examples:
      linkgan data heads3d --n 12000 --size 64 --out heads.zip
      linkgan data heads3d --n 500 --size 128 --seed 1 --out big.zip --masks big-masks.zip --spread normal
    """
    import torch

    from training_loops.data.head_files import write_heads

    torch.set_num_threads(1)
    written = write_heads(out, n, size, seed, masks, yaw, pitch, spread, progress=True)
    click.echo(f"{written} heads of {size}x{size} pixels: {out}" + (f", label maps: {masks}" if masks else ""))
