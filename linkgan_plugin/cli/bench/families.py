"""`linkgan bench families`: every family of generators, linked, for equal CPU time."""

from __future__ import annotations

from dataclasses import dataclass

import click

from ..params import gathered, typed_flags
from .study import Study, run, study_options


@dataclass(frozen=True)
class FamiliesStudy(Study):
    """A study of families.

    Attributes:
        minutes: CPU minutes of a run without links.
    """

    minutes: float


@click.command(
    epilog="""\b
Examples:
  linkgan bench families --minutes 10 --seeds 0 --out runs/families
  linkgan bench families --rows vae,dcgan,tiny --data cats.zip --link 'eyes=16@eyes' --minutes 15
""",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=10,
    show_default=True,
    help="CPU minutes of a run without links.",
)
@study_options("runs/bench-families")
@gathered(FamiliesStudy)
def families(asked: FamiliesStudy) -> None:
    """Train every family of generators for equal CPU time, without links and with them, and compare.

    Two short runs of each family measure its speed, which decides how many images it sees. The run with links sees as
    many. --rows chooses families by the names of their --cfg. Edited quality is measured too.

    Ctrl-C stops at any time; the same command resumes. Options after -- are passed to every `linkgan train`.
    """
    from dataclasses import replace

    from tqdm import tqdm

    from training_loops.data.faces import DEMO_LINKS

    from ...bench.families import FAMILIES, family_rows, measure_speeds, small_families, write_sheet
    from ...bench.recipes import prepare
    from ...errors import Interrupted

    for name, flag in typed_flags().items():
        if name in ("kimg", "pretrain"):
            raise click.UsageError(f"{flag}: the length of a run is its CPU time here; give --minutes")
    names = asked.row_names or small_families()
    links = asked.links or DEMO_LINKS
    settings = replace(asked.settings(links), edited_quality=asked.quality_images > 0)
    if asked.only_list:
        click.echo("\n".join(names))
        return
    prepare(asked.out, settings)
    with tqdm(total=len(names), unit="family", desc="measuring speeds") as bar:

        def show(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        try:
            speeds = measure_speeds(names, settings, asked.out, asked.minutes, show)
        except Interrupted:
            click.echo("\nstopped; resume with the same command")
            raise click.exceptions.Exit(130) from None
    rows = family_rows(speeds, links, asked.minutes)
    run(asked, rows, settings, FAMILIES)
    seed = asked.seeds[0] if asked.seeds else 0
    click.echo(f"wrote {write_sheet(rows, seed, asked.out, settings.data)}", err=True)
