"""`linkgan bench`: measures the overhead of links and compares recipes; one file per command."""

from __future__ import annotations

import click

from .. import LazyGroup, Target

COMMANDS = {
    "overhead": Target("bench.overhead", "overhead", "Time and memory of a training step, with and without links."),
    "metrics": Target("bench.metrics", "metrics", "Speed of region metrics compared with plain synthesis."),
    "recipes": Target("bench.recipes", "recipes", "Ablation study: train and measure each recipe switch."),
    "paper": Target("bench.paper", "paper", "The paper's claims, rerun, next to its own numbers."),
    "photographs": Target("bench.photographs", "photographs", "Every way to invert photographs, and their edits."),
    "editors": Target("bench.editors", "editors", "Every way to edit a region, on equal terms."),
    "families": Target("bench.families", "families", "Every family of generators, linked, for equal CPU time."),
    "geometry": Target(
        "bench.geometry", "geometry", "The shape of generated procedural heads, against the renderer's."
    ),
}

EPILOG = """\b
Examples:
  linkgan bench overhead --links 1,2,4,8 --resolutions 32,64 --out runs/overhead
  linkgan bench metrics runs/demo/linked/network-snapshot-000084.pt
  linkgan bench recipes --rows default,paper
  linkgan bench paper --out runs/paper
  linkgan bench editors network-snapshot-000084.pt --region 'eyes=box(0.25,0.3,0.75,0.5)'
  linkgan bench photographs linked.pt --data held-out.zip --encoder encoder.safetensors
  linkgan bench families --minutes 10 --out runs/families
  linkgan bench geometry runs/heads/network-snapshot-000030.pt --data heads.zip
"""


@click.group(cls=LazyGroup, table=COMMANDS, epilog=EPILOG)
def bench() -> None:
    """Measure the overhead of links and compare recipes.

    Compared variants alternate within one run, so that other load on the machine affects both equally.
    """
