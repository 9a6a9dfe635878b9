"""`linkgan bench photographs`: every way to invert photographs, and what it costs to edit them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import LinkGANError
from ..network_options import host_option, links_options
from ..params import DEVICE, NAMES, FiniteRange, command_line, existing_file, existing_path, gathered
from .params import folder, named_file, threads_option

if TYPE_CHECKING:
    from ...bench.inversion_rows import Row
    from ...bench.photographs import PhotographStudy
    from ...generators import LinkedGenerator
    from ...networks import Network


@dataclass(frozen=True)
class PhotographsRequest:
    """What the command was given.

    Attributes:
        network: the file.
        data: held-out photographs.
        encoder_files: ``FILE`` or ``NAME=FILE`` each.
        out: folder of the study.
        photographs: to invert.
        donors: per photograph.
        wanted: keys of rows; () for all.
        steps: of a search, in each space.
        tune: of pivotal tuning.
        directions: file of directions, edited along beside the links.
        std: how far along them.
        stylemap: a StyleMapGAN to compare with.
        quality_kind: as in `linkgan metrics`.
        quality_images: references of quality; 0 for no quality.
        feather: of pasting; None for the default.
        batch: photographs inverted together.
        links: instead of the network's own.
        link_space: their latent space.
        link_overlap: let their regions share pixels.
        device: cpu, cuda or cuda:1.
        threads: CPU threads.
        host: folder of the host's code.
    """

    network: Path
    data: Path
    encoder_files: tuple[str, ...]
    out: Path
    photographs: int
    donors: int
    wanted: list[str]
    steps: int
    tune: int
    directions: Path | None
    std: float
    stylemap: Path | None
    quality_kind: str
    quality_images: int
    feather: float | None
    batch: int
    links: tuple[str, ...]
    link_space: str | None
    link_overlap: bool
    device: str
    threads: int
    host: Path | None

    def rows(self, study: PhotographStudy) -> list[Row]:
        """Return the ways to invert that the encoders of the study allow."""
        from ...bench.inversion_rows import rows_for

        encoders = {name: given.encoder.details is not None for name, given in study.encoders.items()}
        return rows_for(encoders, self.wanted, self.steps, self.tune)

    def _named_encoders(self) -> list[tuple[str, Path]]:
        found = [named_file(text, "encoder") for text in self.encoder_files]
        names = [name for name, _ in found]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise click.UsageError(f"two encoders are called {twice}; give names: --encoder NAME=FILE")
        return found

    def study(self) -> PhotographStudy:
        """Open the files.

        Raises:
            LinkGANError: files that do not fit each other.
        """
        from ...bench.held_out import HeldOut
        from ...bench.photograph_edits import link_edits
        from ...bench.photograph_quality import Ruler
        from ...bench.photographs import GivenEncoder, PhotographStudy
        from ...inversion.encoder_files import load_encoder
        from ...metrics.attributes import classifier_for
        from ...metrics.efficientnet import load_efficientnet, weights_path
        from ...metrics.feature_distance import FeatureDistance
        from ...metrics.yardsticks import yardstick
        from ...networks import load_network

        network = load_network(self.network, self.device, self.host)
        held_out = HeldOut.opened(self.data, network.generator, self.photographs, self.quality_images)
        generator = self._linked(network)
        encoders = {}
        for name, path in self._named_encoders():
            encoder = load_encoder(path, self.device)
            encoder.check(network.generator)
            encoders[name] = GivenEncoder(encoder, path)
        edits = [*link_edits(generator), *self._direction_edits(network)]
        installed = weights_path() is not None
        kind = "imagenet" if self.quality_kind == "auto" and installed else self.quality_kind
        ruler = None
        if self.quality_images:
            ruler = Ruler.of(yardstick(kind, classifier_for(self.data), self.device), held_out.references())
        return PhotographStudy(
            self.network,
            generator,
            held_out,
            edits,
            self.donors,
            encoders,
            ruler,
            FeatureDistance(load_efficientnet(self.device)) if installed else None,
            self.feather,
            self.batch,
            {"quality": kind if ruler else None, "features": installed, "std": self.std},
            command_line(),
            bar,
        )

    def _linked(self, network: Network) -> LinkedGenerator:
        from ...generators import LinkedGenerator

        needed = self.directions is None
        spec = network.linked(self.links, space=self.link_space, allow_overlap=self.link_overlap, needed=needed)
        if spec.space != "w":
            raise LinkGANError("the links are in Z and inversions are in W; only links in W can edit a photograph")
        return LinkedGenerator(network.generator, spec, labels=network.labels(self.data))

    def _direction_edits(self, network: Network) -> list[Any]:
        if self.directions is None:
            return []
        from ...bench.photograph_edits import direction_edits
        from ...editing.direction_sets import load_sets

        return [
            direction_edits(name, found.to(self.device), self.std)
            for name, found in load_sets([self.directions], network.generator).items()
        ]


@click.command(
    epilog="""\b
Examples:
  linkgan bench photographs linked.pt --data held-out.zip --encoder encoder.safetensors
  linkgan bench photographs linked.pt --data held-out.zip --rows encoder,restyle --photographs 256 \\
      --encoder linked=encoder.safetensors --encoder plain=encoder-without-link-term.safetensors
  linkgan bench photographs linked.pt --data held-out.zip --encoder encoder.safetensors --stylemap stylemap.pt
""",
)
@click.argument("network", metavar="NET", type=existing_file)
@click.option("--data", type=existing_path, required=True, help="Photographs that nothing was trained on.")
@click.option("--encoder", "encoder_files", metavar="[NAME=]FILE", multiple=True, help="Of NET; repeatable.")
@click.option("--rows", "wanted", metavar="NAME,...", type=NAMES, default="", help="Only these; see --list.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, wanted: list_rows(ctx) if wanted else None,
    help="Show the rows and exit.",
)
@click.option("--photographs", type=click.IntRange(4), default=64, show_default=True, help="How many to invert.")
@click.option("--donors", type=click.IntRange(1), default=4, show_default=True, help="Edits by each link.")
@click.option("--steps", type=click.IntRange(1), default=1000, show_default=True, help="Of a search, in each space.")
@click.option("--tune", type=click.IntRange(1), default=300, show_default=True, help="Of tuning the weights (PTI).")
@click.option("--directions", type=existing_file, metavar="FILE", help="Also edit along these directions in W.")
@click.option("--std", type=FiniteRange(0, min_open=True), default=2.0, show_default=True, help="How far along them.")
@click.option("--stylemap", type=existing_file, metavar="NET2", help="Compare with a network of --cfg stylemap.")
@click.option("--quality-kind", default="auto", show_default=True, help="As in linkgan metrics; auto: imagenet.")
@click.option(
    "--quality-images", type=click.IntRange(0), default=1000, show_default=True, help="References; 0 = no quality."
)
@click.option("--feather", type=FiniteRange(0), help="Seam of pasting in pixels.  [default: a 16th of the width]")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Photographs inverted together.")
@links_options
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@threads_option
@host_option
@click.option("--out", type=folder, default=Path("runs/bench-photographs"), show_default=True)
@gathered(PhotographsRequest)
def photographs(asked: PhotographsRequest) -> None:
    """Compare every way to invert photographs into NET, and what it costs to edit them.

    Each row inverts the same held-out photographs; then each link's block is replaced by that of drawn samples, the
    same in all rows. Measured are the error of reconstructions, the change inside and outside the region, before and
    after pasting, beside that of drawn latents, and the quality of edited photographs. Writes photographs.md,
    photographs.json and a sheet. With --stylemap, regions are also taken from other photographs, beside StyleMapGAN.

    Ctrl-C stops at any time; the same command resumes, and adds rows.
    """
    import torch

    from ...bench.photographs import run
    from ...errors import Interrupted

    torch.set_num_threads(asked.threads)
    try:
        study = asked.study()
        rows = asked.rows(study)
        found = run(study, rows, asked.out, lambda text: click.echo(text, err=True))
        pairs = _pairs(asked, study) if asked.stylemap else None
    except Interrupted:
        click.echo(f"\nstopped; resume with the same command: {command_line()}")
        raise click.exceptions.Exit(130) from None
    click.echo(_write(asked.out, study, rows, found, pairs))


def list_rows(ctx: click.Context) -> None:
    """Print the rows and exit."""
    from ...bench.inversion_rows import ROWS
    from ..params import aligned

    click.echo(aligned([[row.key, row.title] for row in ROWS]))
    ctx.exit()


def bar(steps: Iterable[int], text: str) -> Iterable[int]:
    """Show progress over steps, with an estimate of the time left."""
    from tqdm import tqdm

    return tqdm(steps, desc=text, leave=False, disable=None)


def _pairs(asked: PhotographsRequest, study: PhotographStudy) -> dict[str, Any]:
    from ...bench.stylemap_study import run_pairs
    from ...networks import load_network

    assert asked.stylemap is not None
    opened = load_network(asked.stylemap, asked.device, asked.host)
    return run_pairs(study, opened.generator, asked.stylemap, asked.out, lambda text: click.echo(text, err=True))


def _write(
    out: Path, study: PhotographStudy, rows: list[Row], found: dict[str, Any], pairs: dict[str, Any] | None
) -> str:
    """Write tables, figures and sheets, and return the tables."""
    import numpy as np

    from training_loops.formats.atomic import write_bytes, write_json

    from ...bench import photographs_report as report
    from ...bench import photographs_sheet as sheets
    from ...bench.stylemap_pairs import table
    from ...images import png
    from ...metrics.record import versions

    command, names = command_line(), study.generator.spec.names
    text = report.text(rows, found, study.facts(), command)
    if pairs is not None:
        text += f"\n## Regions of other photographs\n\n{table(names, pairs)}\n"
    write_bytes(out / "photographs.md", text.encode())
    titles = {row.key: row.title for row in rows}
    write_json(
        out / "photographs.json",
        {"command": command, "titles": titles, "rows": found, "pairs": pairs, "versions": versions()},
    )
    drawn = [(row.title, dict(np.load(out / "rows" / f"{row.key}.npz"))) for row in rows]
    if drawn:
        shown = study.held_out.images[: len(drawn[0][1]["change"])]
        png.save_png(out / "photographs.png", sheets.sheet(shown, drawn), {"command": command})
    return text
