"""`linkgan selftest`: checks and measures this machine, and writes a report that can be shared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .params import DEVICE, NAMES, FiniteRange, check_out, existing_path, force_option, gathered

if TYPE_CHECKING:
    from ..selftest.job import Job

MINUTES, WITH_HOST = 3.0, 10.0


@dataclass(frozen=True)
class Asked:
    """What is tested.

    Attributes:
        device: as typed; None for the GPU if there is one.
        host_dir: a host to test as well.
        only: names of sections; empty for all.
        minutes: as typed; None for the default.
        quick: very small networks and few steps.
        as_json: print JSON instead of the table.
        out: the file for the report; None for none.
        force: overwrite it.
    """

    device: str | None
    host_dir: Path | None
    only: list[str]
    minutes: float | None
    quick: bool
    as_json: bool
    out: Path | None
    force: bool


@click.command(
    epilog="""\b
Examples:
  linkgan selftest --out selftest.json               # about three minutes; on the GPU if there is one
  linkgan selftest --device cpu
  linkgan selftest --host stylegan3 --out selftest.json
  linkgan selftest --only machine,numerics --json
"""
)
@click.option("--device", type=DEVICE, help="cpu, cuda, cuda:1; by default a GPU if available.")
@click.option(
    "--host",
    "host_dir",
    type=existing_path,
    metavar="DIR",
    help="Also compile the custom ops of the host in DIR and train it briefly. This RUNS THE HOST'S CODE.",
)
@click.option("--only", type=NAMES, default="", metavar="SECTION,...", help="Run these sections only.")
@click.option(
    "--minutes",
    type=FiniteRange(0, min_open=True),
    help=f"Budget; what does not fit is skipped.  [default: {MINUTES:g}; {WITH_HOST:g} with --host]",
)
@click.option("--quick", is_flag=True, help="Very small networks and few steps: does it run? No useful times.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.json", help="Write JSON.")
@force_option
@gathered(Asked)
def selftest(asked: Asked) -> None:
    """Check and measure this machine: run it first on a new one, and paste the table or the file into an issue.

    \b
    Sections:
      machine      versions, device, memory, drivers; nothing that identifies you
      numerics     images and gradients of StyleGAN2, StyleGAN3 and EG3D against the CPU in float64
      determinism  the same training steps twice
      resume       snapshots between device and CPU, and a run that was stopped
      using        speed of region metrics, edits, projection, encoder, segmentation
      gpus         an all-reduce and a training by two processes, with torchrun
      host         with --host: its custom ops, and what links cost in its own step
      training     time and memory of training steps, with and without links
    Verdicts are ok, warn, failed and skipped, each but the first with a reason. The exit code is 1 if anything failed.
    """
    if asked.out is not None:
        check_out(asked.out, asked.force)
    from training_loops.processes import device_named

    from ..selftest.job import Job
    from ..selftest.rows import FAILED, counted, table

    default = MINUTES if asked.host_dir is None else WITH_HOST
    job = Job(device_named(asked.device), asked.quick, asked.minutes or default, asked.only, asked.host_dir)
    with _progress(job):
        rows = job.run()
    _write(asked, job)
    if not asked.as_json:
        counts = ", ".join(f"{number} {verdict}" for verdict, number in counted(rows).items())
        click.echo(f"{table(rows)}\n\n{counts}")
    if job.interrupted:
        click.echo("stopped; this is what was found until then", err=True)
        raise click.exceptions.Exit(130)
    if counted(rows)[FAILED]:
        raise click.exceptions.Exit(1)


@contextmanager
def _progress(job: Job) -> Iterator[None]:
    """Show the section and its units of work while the block runs."""
    from tqdm import tqdm

    with tqdm(total=len(job.sections), unit="section", bar_format="{desc} {bar} {n}/{total} {postfix}") as bar:
        done: dict[str, int] = {}

        def show(section: str, units: int) -> None:
            done[section] = done.get(section, 0) + units
            bar.n = len(done) - 1
            bar.set_description_str(section)
            bar.set_postfix_str(f"{done[section]} steps")

        job.progress = show
        yield
        bar.n = len(done)


def _write(asked: Asked, job: Job) -> None:
    """Write the report, and print it where JSON was asked for; paths and names of the user are not in it."""
    from training_loops.formats import strict_json
    from training_loops.formats.atomic import write_bytes

    from ..selftest.rows import counted

    report: dict[str, Any] = {
        "format": "linkgan_plugin.selftest",
        "version": 1,
        "device": job.device.type,
        "quick": job.quick,
        "minutes": job.minutes,
        "sections": job.sections,
        "interrupted": job.interrupted,
        "counts": dict(counted(job.rows)),
        "rows": [row.to_json() for row in job.rows],
    }
    text = strict_json.dumps(report, indent=2)
    if asked.out is not None:
        write_bytes(asked.out, (text + "\n").encode())
        click.echo(f"wrote {asked.out}", err=True)
    if asked.as_json:
        click.echo(text)
