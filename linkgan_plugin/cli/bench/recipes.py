"""`linkgan bench recipes`: an ablation study of the recipe switches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...flags import segmenter_option, trust_option
from ..params import SEEDS, command_line, existing_file, gathered
from .params import folder

if TYPE_CHECKING:
    from ...bench.ablation import Settings
    from ...bench.rows import Row


@dataclass(frozen=True)
class Ablation:
    """What is trained and measured.

    Attributes:
        rows: names of rows joined by commas; None for all.
        own: rows of one's own, ``NAME=RECIPE,SWITCH=VALUE,...`` each.
        seeds: seeds of every row.
        kimg: length of a run in thousand images.
        data: zip of images; None for procedural faces.
        links: ``NAME=AXES@REGION`` each; () for eyes and mouth.
        jobs: runs at a time.
        pairs: edited pairs of a measurement.
        quality_images: images of a measurement of quality, 0 for none.
        out: the folder of all runs and the report.
        only_list: list the rows and stop.
        train_options: what is passed on to every `linkgan train`.
    """

    rows: str | None
    own: tuple[str, ...]
    seeds: list[int]
    kimg: float
    data: Path | None
    links: tuple[str, ...]
    jobs: int
    pairs: int
    quality_images: int
    out: Path
    only_list: bool
    train_options: tuple[str, ...]

    def settings(self) -> Settings:
        """Return what all runs share; where there are no data, they are made."""
        from ...bench.ablation import Settings
        from ...bench.recipes import default_data

        data = self.data or default_data(self.out)
        return Settings(data, self.kimg, self.all_links(), self.train_options, self.pairs, self.quality_images)

    def all_links(self) -> tuple[str, ...]:
        """Return the links given, or those of the demo."""
        from training_loops.data.faces import DEMO_LINKS

        return tuple(self.links or DEMO_LINKS)


@click.command(
    epilog="""\b
Examples:
  linkgan bench recipes --rows default,paper --seeds 0 --kimg 20 --out runs/ablation
  linkgan bench recipes --seeds 0,1,2
  linkgan bench recipes --rows default --row floored=default,rest_floor=0.15 --seeds 0
  linkgan bench recipes --rows default --kimg 2 -- --cbase 64 --cmax 8
""",
)
@click.option("--rows", metavar="NAME,...", help="Only these rows, and those they are compared with; see --list.")
@click.option("--row", "own", multiple=True, metavar="NAME=RECIPE,SWITCH=VALUE,...", help="A row of your own.")
@click.option("--seeds", type=SEEDS, default="0,1,2", show_default=True)
@click.option("--kimg", type=click.FloatRange(0, min_open=True), default=84, show_default=True, help="Thousand images.")
@click.option("--data", type=existing_file, help="Zip of images; by default procedural faces are made.")
@click.option("--link", "links", multiple=True, metavar="NAME=AXES@REGION", help="Links of the rows; eyes and mouth.")
@segmenter_option
@trust_option
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Runs at a time, a thread each.")
@click.option("--pairs", type=click.IntRange(2), default=1000, show_default=True, help="Edited pairs per measurement.")
@click.option(
    "--quality-images",
    type=click.IntRange(0),
    default=5000,
    show_default=True,
    help="Images for the quality metric; 0 = skip it.",
)
@click.option("--out", type=folder, default=Path("runs/bench-recipes"), show_default=True)
@click.option("--list", "only_list", is_flag=True, help="List the rows and stop.")
@click.argument("train_options", metavar="[-- TRAIN OPTIONS]", nargs=-1, type=click.UNPROCESSED)
@gathered(Ablation)
def recipes(asked: Ablation) -> None:
    """Train and measure named sets of switches with the same data; every run is a plain `linkgan train`.

    Each switch that differs between `default` and `paper` is varied from both; other rows vary axes and regions. Ctrl-C
    stops at any time; the same command resumes without repeating finished runs. Options after -- are passed to every
    `linkgan train`.
    """
    from ...bench.rows import choose_rows

    chosen = choose_rows(asked.rows.split(",") if asked.rows else [], asked.all_links(), asked.own)
    if asked.only_list:
        for row in chosen:
            click.echo(f"{row.name:<24}{row.meaning}")
        return
    _run(asked, chosen)
    click.echo((asked.out / "recipes.md").read_text(encoding="utf-8"))
    click.echo(f"wrote {asked.out / 'recipes.json'}; open {asked.out / 'recipes.html'}", err=True)


def _run(asked: Ablation, rows: list[Row]) -> None:
    """Train and measure all runs; after Ctrl-C, print how to resume."""
    from ...bench.recipes import run_recipes
    from ...errors import Interrupted
    from ...links import parse_region

    for text in {text for row in rows for text in row.links}:
        parse_region(text.partition("@")[2])  # names segmentation networks, which the child commands receive
    try:
        run_recipes(rows, asked.seeds, asked.out, asked.settings(), jobs=asked.jobs, command=command_line())
    except Interrupted:
        click.echo(f"\nstopped; resume with the same command: {command_line()}")
        raise click.exceptions.Exit(130) from None
