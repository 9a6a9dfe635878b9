"""`linkgan project`: inverts photographs for editing their regions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..flags import trust_option
from .network_options import host_option
from .params import DEVICE, command_line, existing_file, existing_path, gathered, typed_flags
from .project_video import FrameRange, are_videos, video_jobs

if TYPE_CHECKING:
    from torch import nn

    from ..inversion.encoder import Encoder
    from ..inversion.folder import InversionJob
    from ..inversion.settings import InversionSettings

SEARCHED = ("space", "steps", "noise")  # settings of the method `search` alone


@dataclass(frozen=True)
class ProjectRequest:
    """The command line of `linkgan project`, without the settings of an inversion.

    Attributes:
        images: photographs to invert.
        snapshot: the network's file.
        host: the folder with the train.py of a .pkl; None for our own classes.
        out: folder of all inversions.
        lpips: file of an LPIPS network; None for the pyramid distance.
        crop: square of all photographs, ``X0,Y0,X1,Y1``.
        landmarks: JSON file of facial landmarks to align to instead.
        number: class of all photographs.
        camera: file with their cameras instead.
        batch: photographs inverted together.
        device: of the network.
        encoder: file of an encoder, for the methods that need one.
        frames: of videos: the first frame, and the one after the last or None; None for all.
    """

    images: tuple[Path, ...]
    snapshot: Path
    host: Path | None
    out: Path
    lpips: Path | None
    crop: str | None
    landmarks: Path | None
    number: int | None
    camera: Path | None
    batch: int
    device: str
    encoder: Path | None = None
    frames: tuple[int, int | None] | None = None

    def opened(self, settings: InversionSettings) -> tuple[nn.Module, Encoder | None]:
        """Return the network and its encoder, None without one.

        Raises:
            LinkGANError: a file that cannot be used, or one that does not fit the method or the network.
        """
        from ..inversion.encoder_files import load_encoder
        from ..inversion.settings import DETAILED, check_method
        from ..networks import load_network

        check_method(settings.method, self.encoder is not None)
        generator = load_network(self.snapshot, self.device, self.host).generator
        encoder = load_encoder(self.encoder, self.device) if self.encoder else None
        if encoder is not None:
            encoder.check(generator)
            if DETAILED in settings.stages:
                _ = encoder.required_details  # before anything is written
        return generator, encoder

    def job(self, settings: dict[str, Any]) -> InversionJob:
        """Open the files and return the job.

        Args:
            settings: attributes of `inversion.stages.InversionSettings`.
        Raises:
            LinkGANError: a file that cannot be used, or settings out of range.
        """
        from ..checksum import file_digest
        from ..inversion.crop import read_landmarks
        from ..inversion.folder import InversionJob
        from ..inversion.perceptual import load_lpips
        from ..inversion.photographs import read_photographs
        from ..inversion.settings import InversionSettings

        checked = InversionSettings(**settings)
        generator, encoder = self.opened(checked)
        points = read_landmarks(self.landmarks) if self.landmarks else None
        photographs = read_photographs(
            self.images, generator, crop=self.crop, landmarks=points, number=self.number, camera=self.camera
        )
        digests = map(file_digest, self.images)
        files = {"network": self.snapshot, "lpips": self.lpips, "landmarks": self.landmarks, "encoder": self.encoder}
        claim = {
            "images": {photograph.name: digest for photograph, digest in zip(photographs, digests, strict=True)},
            "files": {name: file_digest(path) for name, path in files.items() if path},
            "crop": self.crop,
            "labels": [photograph.label[0].tolist() for photograph in photographs],
        }
        lpips = load_lpips(self.lpips, self.device) if self.lpips else None
        return InversionJob(
            self.out, generator, photographs, checked, claim, command_line(), lpips, self.batch, encoder
        )


@click.command(
    epilog="""\b
Examples:
  linkgan project me.jpg you.jpg --network network-snapshot-000084.pt --out projections
  linkgan project me.jpg --network ffhq.pkl --lpips vgg16.pt --trust-network vgg16.pt --out projections
  linkgan project me.jpg --network ffhq.pkl --landmarks me.json --tune 300 --out projections
  linkgan project me.jpg --network ffhq.pkl --method restyle --encoder encoder.safetensors --out projections
  linkgan project me.jpg --network ffhq.pkl --method details --encoder with-details.safetensors --out projections
  linkgan project 00012.png --network eg3d.pkl --camera dataset.json --out projections
  linkgan project clip.mp4 --network ffhq.pkl --method restyle --encoder encoder.safetensors --out projections
\b
Each image gets a folder in OUT: projected_w.npz (the format of the StyleGAN hosts, with the noise maps added),
target.png, proj.png, metrics.json and, with --tune, tuned.safetensors. OUT/projections.png shows all results.
A video gets a folder with the latents of all its frames, the frames/ themselves, proj.mp4 and metrics.json.
"""
)
@click.argument("images", metavar="IMAGE...", type=existing_file, nargs=-1, required=True)
@click.option("--network", "snapshot", type=existing_file, required=True, help="Network file to invert into.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Output folder.")
@click.option(
    "--method",
    type=click.Choice(["search", "encoder", "restyle", "tune", "details"]),
    default="search",
    show_default=True,
    help="search optimises; encoder is one pass of --encoder, restyle all passes, tune these and --tune steps of PTI, "
    "details these and the details of its file.",
)
@click.option(
    "--encoder", type=existing_file, metavar="FILE", help="File of linkgan encoder train, or of encoder details."
)
@click.option(
    "--space",
    type=click.Choice(["w", "w+"]),
    default="w+",
    show_default=True,
    help="Latent space; w+ starts from the result in w.",
)
@click.option("--steps", type=click.IntRange(1), default=1000, show_default=True, help="Steps in each space.")
@click.option(
    "--tune",
    type=click.IntRange(0),
    default=0,
    metavar="STEPS",
    help="Steps of tuning the weights afterwards (PTI).  [default: 0; 300 for --method tune]",
)
@click.option("--locality", type=click.FloatRange(0), default=0.0, help="PTI locality regularization weight; try 0.1.")
@click.option(
    "--noise/--no-noise", default=True, show_default=True, help="Optimise the noise maps, if the network has any."
)
@click.option(
    "--lpips",
    type=existing_file,
    metavar="FILE",
    help="LPIPS network instead of ours, e.g. the hosts' vgg16.pt (which also needs --trust-network).",
)
@trust_option
@click.option("--crop", metavar="X0,Y0,X1,Y1", help="Square to crop: fractions if none is above 1, else pixels.")
@click.option(
    "--landmarks", type=existing_file, metavar="FILE.json", help="5 or 68 facial landmarks: align as FFHQ does."
)
@click.option("--frames", type=FrameRange(), help="Frames of a video: 10:60 are 10 to 59.  [default: all]")
@click.option("--class", "number", type=click.IntRange(0), help="Class of all images, for conditional networks.")
@click.option(
    "--camera",
    type=existing_path,
    metavar="FILE",
    help="Camera: 25 numbers as JSON, or a data set with a label for each image.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Images per batch; does not change the results.",
)
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@host_option
@gathered(ProjectRequest)
def project(asked: ProjectRequest, **settings: Any) -> None:
    """Invert images: optimise latents, noise and, with --tune, weights until the network reproduces them.

    Without --crop or --landmarks, the largest central square is used. Ctrl-C keeps finished results; the same command
    resumes. Videos are inverted frame by frame.
    """
    typed = typed_flags()
    if settings["method"] != "search" and (unheard := [flag for name, flag in typed.items() if name in SEARCHED]):
        raise click.UsageError(f"{' and '.join(unheard)}: only for --method search")
    from ..errors import Interrupted

    run = _run_videos if are_videos(asked, typed) else _run_photographs
    try:
        run(asked, settings)
    except Interrupted:
        click.echo(f"\nstopped; resume with the same command: {command_line()}")
        raise click.exceptions.Exit(130) from None


def _run_photographs(asked: ProjectRequest, settings: dict[str, Any]) -> None:
    from ..inversion.folder import SHEET_FILE

    job = asked.job(settings)
    job.run()
    click.echo(f"wrote {len(job.photographs)} projections to {job.out}; open {job.out / SHEET_FILE}")


def _run_videos(asked: ProjectRequest, settings: dict[str, Any]) -> None:
    from ..inversion.video_job import RENDERED_FILE

    for job in video_jobs(asked, settings):
        found = job.run()
        click.echo(f"wrote the projections of {len(found)} frames to {job.out}; open {job.out / RENDERED_FILE}")
