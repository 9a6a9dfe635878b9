"""`linkgan bench paper`: the paper's claims, rerun."""

from __future__ import annotations

from dataclasses import dataclass

import click

from ..params import gathered
from .study import Study, list_rows, run, study_options


@dataclass(frozen=True)
class PaperStudy(Study):
    """A study of the paper's claims.

    Attributes:
        cfg: the embedded host's preset.
        recipe: of all linked rows.
    """

    cfg: str
    recipe: str

    def all_train_options(self) -> tuple[str, ...]:
        """Return the options of every `linkgan train`; `small` gets the paper's 512 axes."""
        axes = ("--z-dim", "512", "--w-dim", "512") if self.cfg == "small" else ()
        return ("--cfg", self.cfg, *axes, *self.train_options)

    def dim(self) -> int:
        """Return the number of axes of the latent space w.

        Raises:
            click.UsageError: `linkgan train` does not accept its options.
        """
        from training_loops.presets import preset

        from ..train import train

        values = train.make_context("linkgan train", list(self.all_train_options())).params
        return int(values["w_dim"] or preset(values["cfg"], 64).dim)


@click.command(
    epilog="""\b
Examples:
  linkgan bench paper --list
  linkgan bench paper --out runs/paper
  linkgan bench paper --rows one-eyes,axes-4,axes-16 --seeds 0 --kimg 20
  linkgan bench paper --recipe default --data cats.zip --link 'eyes=8@eyes' --link 'nose=8@nose'
  linkgan bench paper --cfg small --kimg 1000 --pretrain 2000 --jobs 1 -- --batch 16
""",
)
@click.option(
    "--cfg",
    type=click.Choice(["tiny", "small", "stylegan2"]),
    default="tiny",
    show_default=True,
    help="Preset of the networks; small gets the paper's 512 axes, tiny has 64.",
)
@click.option(
    "--recipe",
    type=click.Choice(["paper", "default"]),
    default="paper",
    show_default=True,
    help="Recipe of all linked rows.",
)
@study_options("runs/bench-paper")
@gathered(PaperStudy)
def paper(asked: PaperStudy) -> None:
    """Rerun the claims of the LinkGAN paper, and print its own numbers next to the measured ones.

    Change inside and outside the region for one, two and four regions; the number of axes; two regions edited at once;
    links from scratch and from a trained network. Each claim holds, does not hold, or is not distinguishable. Rows that
    fail stay in the table.

    Ctrl-C stops at any time; the same command resumes. Options after -- are passed to every `linkgan train`.
    """
    from ...bench.paper import PAPER, paper_links, paper_rows
    from ...bench.rows import with_needed

    dim = asked.dim()
    links = asked.links or paper_links(dim)
    rows = with_needed(asked.row_names, paper_rows(links, dim, asked.recipe, asked.pretraining))
    if asked.only_list:
        list_rows(rows)
        return
    run(asked, rows, asked.settings(links, asked.all_train_options()), PAPER, keep_going=True)
