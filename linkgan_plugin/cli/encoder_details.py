"""`linkgan encoder details`: trains what brings back the details that an encoder's latents lose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .encoder_data import MEASURED, TrainingFlags, run_job, training_options, weight_option
from .params import FiniteRange, existing_file, gathered
from .sections import SectionedCommand

if TYPE_CHECKING:
    from ..inversion.details_training import DetailsTraining

SECTIONS = {
    "Training": ("kimg", "batch", "width", "size", "rate", "alignment", "perspective", "seed"),
    "Losses": ("pixels", "pyramid", "align", "edit_term"),
    "Data and network": ("file", "data", "number", "device", "host"),
    "Files": ("out", "force"),
}


@dataclass(frozen=True)
class DetailsRequest:
    """What `linkgan encoder details` was asked for beside `TrainingFlags` and plain settings.

    Attributes:
        file: the encoder.
        edit_term: its weight; None for the default.
    """

    file: Path
    edit_term: float | None


@click.command(
    cls=SectionedCommand,
    sections=SECTIONS,
    epilog="""\b
Examples:
  linkgan encoder details linked.pt --encoder encoder.safetensors --data photos.zip --out with-details.safetensors
  linkgan encoder details ffhq.pkl --encoder encoder.safetensors --width 32 --size 64 --out with-details.safetensors
  linkgan project me.jpg --network linked.pt --method details --encoder with-details.safetensors --out detailed
  linkgan edit linked.pt --projection detailed/me --encoder with-details.safetensors --region eyes --out me.png
""",
)
@click.argument("network", metavar="NET", type=existing_file)
@click.option("--encoder", "file", required=True, type=existing_file, help="File of `linkgan encoder train`.")
@training_options
@click.option(
    "--width", type=click.IntRange(1, 256), default=16, show_default=True, help="Feature maps of the first layers."
)
@click.option(
    "--size",
    type=click.IntRange(1),
    metavar="PIXELS",
    help="Side of the network's feature maps that change.  [default: the largest up to half the image and 64]",
)
@weight_option("--pixels", 1.0, "Weight of the squared error of pixels.")
@weight_option("--pyramid", 1.0, "Weight of the Laplacian pyramid distance.")
@weight_option("--align", 1.0, "Weight of the alignment of transformed distortion maps.")
@click.option(
    "--edit-term",
    type=FiniteRange(0),
    metavar="WEIGHT",
    help="Weight of the edit term: edits by links, whose results are known; 0 for none (HFGI).  [default: 1 for "
    "networks with links in W]",
)
@click.option("--alignment/--no-alignment", default=True, show_default=True, help="Align distortion maps to edits.")
@click.option(
    "--perspective",
    type=FiniteRange(0),
    default=0.1,
    show_default=True,
    help="How far corners of transformed maps move, as a share of the image's side.",
)
@gathered(TrainingFlags, DetailsRequest)
def details(job: TrainingFlags, asked: DetailsRequest, network: Path, **settings: Any) -> None:
    """Train the details of an encoder of NET, for reconstructions and edits that keep what its latents lose.

    The difference between a photograph and its reconstruction is aligned to the edited image, and changes the network's
    feature maps (HFGI). On a linked network, edits of generated images, whose results are known, teach it what an edit
    must keep. OUT holds the encoder too. Ctrl-C saves the state next to OUT; the same command resumes it, exactly.
    """
    from ..inversion.details_training import DetailsTraining
    from ..inversion.encoder_files import load_encoder
    from ..inversion.encoder_job import EncoderJob
    from ..inversion.encoder_settings import EDIT_TERM, DetailsSettings

    opened = job.opened(network)
    given = job.given(opened)
    edit = asked.edit_term if asked.edit_term is not None else EDIT_TERM if given["spec"] else 0.0
    encoder = load_encoder(asked.file, job.device)
    training = DetailsTraining(opened.generator, encoder, DetailsSettings(**settings, edit=edit), **given)
    run_job(EncoderJob(job.out, training, job.claim(encoder=asked.file), measured, title="Training the details"))


def measured(training: DetailsTraining) -> dict[str, float]:
    """Return errors on generated images that it was not trained on: reconstructed, and after edits."""
    from ..inversion.details_measure import measure_details, measure_edits, measure_outside
    from ..inversion.encoder_measure import drawn_latents, measure_images
    from ..inversion.rendering import Renderer

    generator, found, labels = training.generator, training.encoder(), training.labels(MEASURED)
    images = Renderer(generator).images(drawn_latents(generator, labels, seed=1), labels)
    facts = measure_images(generator, found, images, labels) | measure_details(generator, found, images, labels)
    if training.spec is None:
        return facts
    facts |= measure_outside(generator, found, training.spec, images, labels)
    return facts | measure_edits(generator, found, training.spec, labels)
