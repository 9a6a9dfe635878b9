"""What the commands of `linkgan encoder` share: their data, their labels, running a training, and its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .params import FiniteRange, aligned, command_line

if TYPE_CHECKING:
    from training_loops.formats.folder import ImageFolderDataset

    from ..inversion.encoder_job import EncoderJob
    from ..labels import Labels
    from ..networks import Network

MEASURED = 64  # images, and pairs of images for each link


def weight_option(flag: str, default: float, text: str) -> Any:
    """Return the option of a weight of the loss."""
    return click.option(flag, type=FiniteRange(0), default=default, show_default=True, help=text)


def photographs(data: Path | None, network: Network) -> ImageFolderDataset | None:
    """Open the photographs, with labels if the network takes any."""
    from training_loops.formats.folder import ImageFolderDataset

    if data is None:
        return None
    return ImageFolderDataset(data, use_labels=bool(getattr(network.generator, "c_dim", 0)))


def generated_labels(network: Network, data: Path | None, number: int | None) -> Labels | None:
    """Return the labels of generated images; None for random classes."""
    if number is None and data is None:
        return None
    return network.labels(data, number)


def is_linked(network: Network) -> bool:
    """Return whether the network has links in W."""
    return network.spec is not None and network.spec.space == "w" and bool(network.spec.links)


def claim_of(data: Path | None, number: int | None) -> dict[str, Any]:
    """Return what identifies the data of a training, as plain data."""
    from ..checksum import file_digest

    return {"data": file_digest(data) if data and data.is_file() else data and str(data), "class": number}


def run_job(job: EncoderJob[Any]) -> None:
    """Run a training and print what was measured, or how to resume it."""
    from ..errors import Interrupted

    try:
        facts = job.run()
    except Interrupted:
        click.echo(f"\nstopped; resume with the same command: {command_line()}")
        raise click.exceptions.Exit(130) from None
    click.echo(table(facts))
    click.echo(f"wrote {job.out}")


def table(facts: dict[str, float]) -> str:
    """Return numbers with their names as text."""
    return aligned([[name, f"{value:.4f}"] for name, value in facts.items()])
