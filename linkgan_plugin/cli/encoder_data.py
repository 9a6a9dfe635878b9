"""What the commands of `linkgan encoder` share: their options and data, running a training, and its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .network_options import class_option, host_option
from .params import DEVICE, FiniteRange, aligned, check_out, command_line, existing_path, force_option

if TYPE_CHECKING:
    from training_loops.formats.folder import ImageFolderDataset

    from ..inversion.encoder_job import EncoderJob
    from ..links import LinkSpec
    from ..networks import Network

F = TypeVar("F", bound=Callable[..., Any])
MEASURED = 64  # images, and pairs of images for each link


@dataclass(frozen=True)
class TrainingFlags:
    """What every training of `linkgan encoder` is asked for, without its settings.

    Attributes:
        out: the file to write.
        data: photographs; None for generated images alone.
        number: class of all generated images.
        device: where to compute.
        host: folder of the host's code.
        force: overwrite the file.
    """

    out: Path
    data: Path | None
    number: int | None
    device: str
    host: Path | None
    force: bool

    def opened(self, network: Path) -> Network:
        """Open the network, after the name of the file to write has been checked."""
        from ..inversion.encoder_files import check_name
        from ..networks import load_network

        check_name(self.out)
        check_out(self.out, self.force)
        return load_network(network, self.device, self.host)

    def given(self, network: Network) -> dict[str, Any]:
        """Return the arguments of a training that follow from the network and the data: data, spec and labels."""
        return {
            "data": photographs(self.data, network),
            "spec": links_in_w(network),
            # None: random classes
            "labels": None if self.number is None and self.data is None else network.labels(self.data, self.number),
        }

    def claim(self, **files: Path | None) -> dict[str, Any]:
        """Return what identifies the data of a training, and further files by name, as plain data."""
        from ..checksum import file_digest

        data = self.data
        claim = {"data": file_digest(data) if data and data.is_file() else data and str(data), "class": self.number}
        return claim | {name: file_digest(path) for name, path in files.items() if path is not None}


def training_options(command: F) -> F:
    """Add the options of `TrainingFlags`, and `kimg`, `batch`, `rate` and `seed`."""
    positive = FiniteRange(0, min_open=True)
    for option in (
        force_option,
        host_option,
        click.option("--device", type=DEVICE, default="cpu", show_default=True),
        class_option,
        click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
        click.option("--rate", type=positive, default=1e-3, show_default=True, help="Learning rate."),
        click.option(
            "--batch", type=click.IntRange(4), default=16, show_default=True, help="Images a step, a multiple of 4."
        ),
        click.option("--kimg", type=positive, default=100.0, show_default=True, help="Thousand images."),
        click.option("--data", type=existing_path, help="Photographs (zip or folder): half of each batch."),
        click.option(
            "--out",
            required=True,
            type=click.Path(dir_okay=False, path_type=Path),
            help=".safetensors file to write.",
        ),
    ):
        command = option(command)
    return command


def weight_option(flag: str, default: float, text: str) -> Any:
    """Return the option of a weight of the loss."""
    return click.option(flag, type=FiniteRange(0), default=default, show_default=True, help=text)


def links_in_w(network: Network) -> LinkSpec | None:
    """Return the network's links, None unless there are some in W."""
    spec = network.spec
    return spec if spec is not None and spec.space == "w" and spec.links else None


def photographs(data: Path | None, network: Network) -> ImageFolderDataset | None:
    """Open the photographs, with labels if the network takes any."""
    from training_loops.formats.folder import ImageFolderDataset

    if data is None:
        return None
    return ImageFolderDataset(data, use_labels=bool(getattr(network.generator, "c_dim", 0)))


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
