"""`linkgan bench`: what links cost and what they buy, measured here; one file per command."""

from __future__ import annotations

import click

from .. import LazyGroup, Target

COMMANDS = {
    "overhead": Target("bench.overhead", "overhead", "Time and memory of a training step, with and without links."),
    "metrics": Target("bench.metrics", "metrics", "Speed of region metrics against bare synthesis."),
    "recipes": Target("bench.recipes", "recipes", "The ablation: every switch, trained, measured, tabled."),
}

EPILOG = """\b
Examples:
  linkgan bench overhead --links 1,2,4,8 --resolutions 32,64 --out runs/overhead
  linkgan bench metrics runs/demo/linked/network-snapshot-000084.pt
  linkgan bench recipes --rows default,paper --seeds 0,1,2
"""


@click.group(cls=LazyGroup, table=COMMANDS, epilog=EPILOG)
def bench() -> None:
    """Measure what links cost and what they buy.

    What is compared always takes turns within one run, so that the machine's other work weighs on both sides.
    """
