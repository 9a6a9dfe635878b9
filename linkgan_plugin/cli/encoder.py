"""`linkgan encoder`: trains encoders, which invert photographs in one forward pass, and measures them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..flags import trust_option
from .encoder_data import (
    MEASURED,
    claim_of,
    generated_labels,
    is_linked,
    photographs,
    run_job,
    table,
    weight_option,
)
from .encoder_details import details
from .network_options import class_option, host_option
from .params import DEVICE, FiniteRange, check_out, existing_file, existing_path, force_option, gathered
from .sections import SectionedCommand

if TYPE_CHECKING:
    from ..inversion.encoder_training import EncoderTraining

SECTIONS = {
    "Training": ("kimg", "batch", "passes", "width", "rate", "seed"),
    "Losses": (
        "pixels",
        "pyramid",
        "features",
        "lpips",
        "trust_network",
        "latent",
        "offsets",
        "adversarial",
        "link_term",
    ),
    "Data and network": ("data", "number", "device", "host"),
    "Files": ("out", "force"),
}


@click.group(
    epilog="\b\nExample:\n  linkgan encoder train NET.pt --data photos.zip --kimg 100 --out encoder.safetensors",
)
def encoder() -> None:
    """Train encoders, which invert photographs in one forward pass."""


@dataclass(frozen=True)
class EncoderRequest:
    """What `linkgan encoder train` was asked for, without the settings of the training.

    Attributes:
        out: the file to write.
        data: photographs; None for generated images alone.
        number: class of all generated images.
        device: where to compute.
        host: folder of the host's code.
        force: overwrite the file.
        link_term: its weight; None for the default.
        lpips: file of an LPIPS network; None for none.
    """

    out: Path
    data: Path | None
    number: int | None
    device: str
    host: Path | None
    force: bool
    link_term: float | None
    lpips: Path | None


@encoder.command(
    cls=SectionedCommand,
    sections=SECTIONS,
    epilog="""\b
Examples:
  linkgan encoder train linked.pt --data photos.zip --kimg 100 --out encoder.safetensors
  linkgan encoder train ffhq.pkl --kimg 500 --width 64 --device cuda --out encoder.safetensors
  linkgan project me.jpg --network linked.pt --method restyle --encoder encoder.safetensors --out projections
""",
)
@click.argument("network", metavar="NET", type=existing_file)
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help=".safetensors file to write."
)
@click.option("--data", type=existing_path, help="Photographs (zip or folder): half of each batch.")
@click.option("--kimg", type=FiniteRange(0, min_open=True), default=100.0, show_default=True, help="Thousand images.")
@click.option("--batch", type=click.IntRange(4), default=16, show_default=True, help="Images a step, a multiple of 4.")
@click.option("--passes", type=click.IntRange(1, 32), default=3, show_default=True, help="ReStyle passes.")
@click.option(
    "--width", type=click.IntRange(1, 256), default=32, show_default=True, help="Feature maps of the first layer."
)
@click.option("--rate", type=FiniteRange(0, min_open=True), default=1e-3, show_default=True, help="Learning rate.")
@weight_option("--pixels", 1.0, "Weight of the squared error of pixels.")
@weight_option("--pyramid", 1.0, "Weight of the Laplacian pyramid distance.")
@weight_option("--features", 0.0, "Weight of the distance on ImageNet features; needs linkgan_plugin[quality].")
@click.option(
    "--lpips",
    type=existing_file,
    metavar="FILE",
    help="LPIPS network, with weight 1: e.g. the hosts' vgg16.pt (which also needs --trust-network).",
)
@trust_option
@weight_option("--latent", 0.1, "Weight of the distance from latents that are known.")
@weight_option("--offsets", 0.01, "Weight of the squared offsets between layers.")
@weight_option("--adversarial", 0.02, "Weight of the latent discriminator.")
@click.option(
    "--link-term",
    type=FiniteRange(0),
    metavar="WEIGHT",
    help="Weight of the link term: images that share a region get the same latents there; 0 for none.  [default: 0.5 "
    "for networks with links in W]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@class_option
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@host_option
@force_option
@gathered(EncoderRequest)
def train(asked: EncoderRequest, network: Path, **settings: Any) -> None:
    """Train an encoder for NET, on generated images whose latents are known, and on photographs with --data.

    The encoder finds the mean latent's change in W and an offset for every layer (e4e), in several passes that see
    the last reconstruction (ReStyle). Ctrl-C saves the state next to OUT; the same command resumes it, exactly. At the
    end, its errors are measured on images that are generated anew.
    """
    from ..checksum import file_digest
    from ..inversion.encoder_files import check_name
    from ..inversion.encoder_job import EncoderJob
    from ..inversion.encoder_settings import LINK_TERM, EncoderSettings
    from ..inversion.encoder_training import EncoderTraining
    from ..inversion.perceptual import load_lpips
    from ..networks import load_network

    check_name(asked.out)
    check_out(asked.out, asked.force)
    opened = load_network(network, asked.device, asked.host)
    spec = opened.spec
    linked = is_linked(opened)
    link = asked.link_term if asked.link_term is not None else LINK_TERM if linked else 0.0
    training = EncoderTraining(
        opened.generator,
        EncoderSettings(**settings, link=link, lpips=float(asked.lpips is not None)),
        data=photographs(asked.data, opened),
        spec=spec if linked else None,
        labels=generated_labels(opened, asked.data, asked.number),
        lpips=load_lpips(asked.lpips, asked.device) if asked.lpips else None,
    )
    claim = claim_of(asked.data, asked.number) | ({"lpips": file_digest(asked.lpips)} if asked.lpips else {})
    run_job(EncoderJob(asked.out, training, claim, _measured))


@encoder.command(
    epilog="""\b
Example:
  linkgan encoder measure linked.pt --encoder encoder.safetensors --data held-out.zip --images 64
"""
)
@click.argument("network", metavar="NET", type=existing_file)
@click.option("--encoder", "file", required=True, type=existing_file, help="File of `linkgan encoder train`.")
@click.option("--data", required=True, type=existing_path, help="Photographs that it was not trained on.")
@click.option("--images", type=click.IntRange(1), default=MEASURED, show_default=True, help="How many of them.")
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@host_option
def measure(network: Path, file: Path, data: Path, images: int, device: str, host: Path | None) -> None:
    """Measure an encoder's mean absolute error on photographs, pass by pass, and how likely its latents are.

    With details, also their error, and the errors outside of edited regions of a linked network.
    """
    from ..inversion.details_measure import measure_details, measure_edits, measure_outside
    from ..inversion.draws import photographs_of
    from ..inversion.encoder_files import load_encoder
    from ..inversion.encoder_measure import measure_images
    from ..networks import load_network

    opened = load_network(network, device, host)
    found = load_encoder(file, device)
    found.check(opened.generator)
    opened_data = photographs(data, opened)
    assert opened_data is not None
    some = photographs_of(opened_data, found.network.shape, images)
    facts = measure_images(opened.generator, found, *some)
    if found.details is not None:
        facts |= measure_details(opened.generator, found, *some)
        if is_linked(opened):
            facts |= measure_outside(opened.generator, found, opened.linked(), *some)
            facts |= measure_edits(opened.generator, found, opened.linked(), some[1])
    click.echo(table(facts))


def _measured(training: EncoderTraining) -> dict[str, float]:
    """Return the errors on generated images that it was not trained on, and how far the links hold."""
    from ..inversion.encoder_measure import drawn_latents, measure_images, measure_links
    from ..inversion.rendering import Renderer

    generator, found, labels = training.generator, training.encoder(), training.labels(MEASURED)
    images = Renderer(generator).images(drawn_latents(generator, labels, seed=1), labels)
    facts = measure_images(generator, found, images, labels)
    return facts if training.spec is None else facts | measure_links(generator, found, training.spec, labels)


encoder.add_command(details)
