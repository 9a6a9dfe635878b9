"""`linkgan encoder`: trains encoders, which invert photographs in one forward pass, and measures them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..flags import trust_option
from .encoder_data import (
    MEASURED,
    TrainingFlags,
    links_in_w,
    photographs,
    run_job,
    table,
    training_options,
    weight_option,
)
from .encoder_details import details
from .network_options import host_option
from .params import DEVICE, FiniteRange, existing_file, existing_path, gathered
from .sections import SectionedCommand

if TYPE_CHECKING:
    from ..inversion.encoder_training import EncoderTraining

SECTIONS = {
    "Training": ("kimg", "batch", "passes", "width", "rate", "seed"),
    "Losses": (
        *("pixels", "pyramid", "features", "lpips", "trust_network"),
        *("latent", "offsets", "adversarial", "link_term"),
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
    """What `linkgan encoder train` was asked for beside `TrainingFlags` and plain settings.

    Attributes:
        link_term: its weight; None for the default.
        lpips: file of an LPIPS network; None for none.
    """

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
@training_options
@click.option("--passes", type=click.IntRange(1, 32), default=3, show_default=True, help="ReStyle passes.")
@click.option(
    "--width", type=click.IntRange(1, 256), default=32, show_default=True, help="Feature maps of the first layer."
)
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
@gathered(TrainingFlags, EncoderRequest)
def train(job: TrainingFlags, asked: EncoderRequest, network: Path, **settings: Any) -> None:
    """Train an encoder for NET, on generated images whose latents are known, and on photographs with --data.

    The encoder finds the mean latent's change in W and an offset for every layer (e4e), in several passes that see
    the last reconstruction (ReStyle). Ctrl-C saves the state next to OUT; the same command resumes it, exactly. At the
    end, its errors are measured on images that are generated anew.
    """
    from ..inversion.encoder_job import EncoderJob
    from ..inversion.encoder_settings import LINK_TERM, EncoderSettings
    from ..inversion.encoder_training import EncoderTraining
    from ..inversion.perceptual import load_lpips

    opened = job.opened(network)
    given = job.given(opened)
    link = asked.link_term if asked.link_term is not None else LINK_TERM if given["spec"] else 0.0
    training = EncoderTraining(
        opened.generator,
        EncoderSettings(**settings, link=link, lpips=float(asked.lpips is not None)),
        **given,
        lpips=load_lpips(asked.lpips, job.device) if asked.lpips else None,
    )
    run_job(EncoderJob(job.out, training, job.claim(lpips=asked.lpips), _measured))


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
        if (spec := links_in_w(opened)) is not None:
            facts |= measure_outside(opened.generator, found, spec, *some)
            facts |= measure_edits(opened.generator, found, spec, some[1])
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
