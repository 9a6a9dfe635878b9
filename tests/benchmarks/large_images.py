"""Peak memory and times of large images on a CPU: a training step with and without links, editing, projecting.

python -m tests.benchmarks.large_images --cfg stylegan2 --resolution 1024
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import click

from linkgan_plugin.bench.cost import procedural
from linkgan_plugin.bench.tables import markdown
from linkgan_plugin.cli import UserError
from tests.benchmarks.large_images_job import PAIRS

_IMAGES = 8
_USES = ("load", "edit", "page", "invert", "measure")


def run(job: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Run a job in a process of its own; return its peak bytes and processor seconds.

    Raises:
        UserError: it failed; with the end of what it printed.
    """
    command = [sys.executable, "-m", "tests.benchmarks.large_images_job", job, json.dumps(dict(asked))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{job} failed with status {done.returncode}:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def time_ratio(parts: Mapping[str, float], interval: int = 4) -> float:
    """Return the processor time of an average step with links over one without, from the seconds of each phase.

    The links and the regularization of G are due in every fourth step, that of D in every sixteenth.
    """
    every = {"links": interval, "Greg": 4, "Dreg": 16}
    base = sum(seconds / every.get(phase, 1) for phase, seconds in parts.items() if phase != "links")
    return 1 + parts["links"] / interval / base


def table(asked: Mapping[str, Any], steps: Mapping[int, Mapping[str, Any]], uses: Mapping[str, Any]) -> str:
    """Return the measurements as a Markdown table."""
    rows = []
    for links, found in steps.items():
        what = f"a training step of {asked['batch']} images, " + (f"{links} links" if links else "without links")
        cells = [f"{found['peak'] / 1e9:.2f} GB", f"{found['seconds']:.0f} s", "", ""]
        if links:
            cells[2:] = [f"{found['peak'] / steps[0]['peak']:.3f}", f"{time_ratio(found['parts']):.3f}"]
        rows.append([what, *cells])
    for what, found in uses.items():
        rows.append([what, f"{found['peak'] / 1e9:.2f} GB", f"{found['seconds']:.0f} s", "", ""])
    return markdown(["what", "peak memory", "processor time", "memory ratio", "time ratio, average step"], rows)


@click.command()
@click.option("--cfg", default="stylegan2", show_default=True, help="The embedded host's preset.")
@click.option("--resolution", type=click.IntRange(8), default=256, show_default=True, help="Side in pixels.")
@click.option("--batch", type=click.IntRange(1), default=4, show_default=True, help="Images per step.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads.")
@click.option("--links", "counts", type=int, multiple=True, default=(8,), show_default=True, help="Numbers of links.")
@click.option("--sizes", type=json.loads, default="{}", help="Attributes of the embedded host's TrainingRequest.")
@click.option("--train/--no-train", default=True, show_default=True, help="Train a step too.")
def main(counts: tuple[int, ...], train: bool, **asked: Any) -> None:
    """Measure peak memory and processor time of large images with random weights, each job in its own process."""
    with procedural(asked["cfg"], [asked["resolution"]], _IMAGES) as files, tempfile.TemporaryDirectory() as name:
        asked |= {"data": str(files[0]), "snapshot": f"{name}/network.pt", "links": counts[0], "pairs": PAIRS}
        steps = {}
        for links in (0, *counts) if train else ():
            steps[links] = run("step", {**asked, "links": links, "folder": f"{name}/{links}"})
            click.echo(f"{links} links: {steps[links]}", err=True)
        run("save", asked)
        uses = {}
        for job in _USES:
            uses[job] = run(job, asked)
            click.echo(f"{job}: {uses[job]}", err=True)
        uses["measure, four times the pairs"] = run("measure", {**asked, "pairs": 4 * PAIRS})
    click.echo(table(asked, steps, uses))


if __name__ == "__main__":
    main()
