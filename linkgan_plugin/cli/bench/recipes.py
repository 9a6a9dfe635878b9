"""`linkgan bench recipes`: an ablation study of the recipe switches."""

from __future__ import annotations

from dataclasses import dataclass

import click

from ..params import gathered
from .study import Study, list_rows, run, study_options


@dataclass(frozen=True)
class Ablation(Study):
    """A study of recipes.

    Attributes:
        own: the user's rows, ``NAME=RECIPE,SWITCH=VALUE,...`` each.
    """

    own: tuple[str, ...]


@click.command(
    epilog="""\b
Examples:
  linkgan bench recipes --rows default,paper --seeds 0 --kimg 20 --out runs/ablation
  linkgan bench recipes --rows default --edited-quality
  linkgan bench recipes --rows default --row floored=default,rest_floor=0.15 --seeds 0
  linkgan bench recipes --rows default-from-converged --pretrain 120 --kimg 60
  linkgan bench recipes --rows default --kimg 2 -- --cbase 64 --cmax 8
""",
)
@click.option("--row", "own", multiple=True, metavar="NAME=RECIPE,SWITCH=VALUE,...", help="A row of your own.")
@study_options("runs/bench-recipes")
@gathered(Ablation)
def recipes(asked: Ablation) -> None:
    """Train and measure named sets of switches with the same data; every run is a plain `linkgan train`.

    Each switch that differs between `default` and `paper` is varied from both; other rows vary axes and regions. A
    run's quality is the mean over up to five snapshots of its last quarter. Each row is compared with the unlinked
    baseline that saw as many images: better, worse or not distinguishable.

    Ctrl-C stops at any time; the same command resumes without repeating finished work. Options after -- are passed to
    every `linkgan train`.
    """
    from training_loops.data.faces import DEMO_LINKS

    from ...bench.rows import choose_rows

    links = asked.links or DEMO_LINKS
    rows = choose_rows(asked.row_names, links, asked.own, asked.pretraining)
    if asked.only_list:
        list_rows(rows)
        return

    from ...bench.recipe_report import RECIPES

    run(asked, rows, asked.settings(links), RECIPES)
