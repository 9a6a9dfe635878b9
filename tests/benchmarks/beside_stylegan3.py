"""Training speed of the embedded host beside a real stylegan3 ``--cfg=stylegan2`` of the same configuration.

python -m tests.benchmarks.beside_stylegan3 --host stylegan3
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from linkgan_plugin.bench.ratio import paired_ratio
from linkgan_plugin.bench.tables import markdown
from linkgan_plugin.cli import UserError
from linkgan_plugin.cli.network_options import host_option
from linkgan_plugin.cli.params import check_out, force_option, gathered
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics.record import versions
from tests.benchmarks.children import Child, train_embedded, train_host
from tests.benchmarks.configurations import BLOCK, TERMS, embedded_options, host_options
from training_loops.data.face_files import write_faces
from training_loops.formats.atomic import write_json
from training_loops.processes import device_named

WARMUP = 1
SIDES = ("host", "embedded")
_IMAGES = 256


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        host: stylegan3's folder with train.py.
        cfg: the embedded host's preset, for the sizes of the networks.
        resolution: side of the images in pixels.
        rounds: blocks of each that are timed, from 1.
        batch: images of a step; None for the preset's.
        device: cpu or cuda.
        threads: CPU threads of each.
        sizes: further attributes of the embedded host's `TrainingRequest`, such as cbase.
    """

    host: Path
    cfg: str = "tiny"
    resolution: int = 32
    rounds: int = 8
    batch: int | None = None
    device: str = "cpu"
    threads: int = 1
    sizes: Mapping[str, Any] = field(default_factory=dict)


def compare(asked: Comparison, terms: str, progress: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Train both, alternating after blocks of `BLOCK` steps, and return the row of their speeds.

    Args:
        asked: what is compared.
        terms: one of `TERMS`.
        progress: called after every block of both.
    Raises:
        LinkGANError: no such checkout, or one of the two failed; with the end of its log.
    """
    if not (asked.host / "training" / "networks_stylegan2.py").is_file():
        raise LinkGANError(f"{asked.host} is not a stylegan3 checkout: expected training/networks_stylegan2.py in it")
    with tempfile.TemporaryDirectory(prefix="linkgan-bench-") as name:
        folder = Path(name)
        write_faces(folder / "faces.zip", _IMAGES, asked.resolution, seed=0)
        options = embedded_options(folder / "faces.zip", terms, asked.cfg, batch=asked.batch, **asked.sizes)
        how = {"device": asked.device, "threads": asked.threads, "host": asked.host}
        children = {
            "host": Child(train_host, folder / "host", host_options(options), how),
            "embedded": Child(train_embedded, folder / "embedded", options, how),
        }
        try:
            seconds = _timed(children, asked.rounds, progress)
        finally:
            for child in children.values():
                child.end()
    return _row(asked, terms, options["batch_size"], seconds)


def _timed(children: Mapping[str, Child], rounds: int, progress: Callable[[], object]) -> dict[str, list[float]]:
    """Seconds of the blocks of each, after warming up; the first of a round is the second of the next."""
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for child in children.values():
        child.receive()
    for number in range(WARMUP + rounds):
        for side in SIDES if number % 2 else reversed(SIDES):
            elapsed = children[side].train_block()
            if number >= WARMUP:
                seconds[side].append(elapsed)
        progress()
    return seconds


def _row(asked: Comparison, terms: str, batch: int, seconds: Mapping[str, list[float]]) -> dict[str, Any]:
    ratio = paired_ratio(seconds["host"], seconds["embedded"])
    images = BLOCK * batch
    return {
        "terms": terms,
        "cfg": asked.cfg,
        "resolution": asked.resolution,
        "batch": batch,
        "speed_ratio": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "rounds": ratio.rounds,
        **{f"images_per_second_{side}": images * len(seconds[side]) / sum(seconds[side]) for side in SIDES},
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    header = ["loss terms", "embedded / stylegan3", "middle half", "embedded images/s", "stylegan3 images/s"]
    cells = [
        [
            row["terms"],
            f"{row['speed_ratio']:.3f}",
            f"{row['low']:.3f} - {row['high']:.3f}",
            f"{row['images_per_second_embedded']:.1f}",
            f"{row['images_per_second_host']:.1f}",
        ]
        for row in rows
    ]
    return markdown(header, cells)


@click.command(
    epilog="""\b
Examples:
  python -m tests.benchmarks.beside_stylegan3 --host stylegan3
  python -m tests.benchmarks.beside_stylegan3 --host stylegan3 --cfg small
""",
)
@host_option
@click.option(
    "--terms",
    type=click.Choice(["both", *TERMS]),
    default="both",
    show_default=True,
    help="Loss terms: with path length, style mixing and noise as --cfg=stylegan2 has them, or without.",
)
@click.option("--cfg", default="tiny", show_default=True, help="Sizes of the networks: the embedded host's preset.")
@click.option("--resolution", type=click.IntRange(8), default=32, show_default=True, help="Side of images, in pixels.")
@click.option("--rounds", type=click.IntRange(1), default=8, show_default=True, help="Blocks of 16 steps for each.")
@click.option("--batch", type=click.IntRange(1), help="Images per step.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/bench-train"),
    show_default=True,
    help="For train.json.",
)
@force_option
@gathered(Comparison)
def main(asked: Comparison, terms: str, out: Path, force: bool) -> None:
    """Train the embedded host and a real stylegan3 --cfg=stylegan2 of the same configuration, alternating.

    Each runs its own, whole training loop in a process of its own, with the same architecture, loss terms and batch.
    Its code runs from --host, on a CPU with CUDA emulated there.
    """
    if asked.host is None:
        raise click.UsageError("--host is needed: the folder of stylegan3 with its train.py")
    try:
        check_out(out / "train.json", force)
        device_named(asked.device)  # says so where there is no GPU
        chosen = list(TERMS) if terms == "both" else [terms]
        with tqdm(total=len(chosen) * (asked.rounds + WARMUP), unit="round", desc="training both") as bar:
            rows = [compare(asked, name, bar.update) for name in chosen]
    except LinkGANError as error:
        raise UserError(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    command = shlex.join(["python", "-m", "tests.benchmarks.beside_stylegan3", *sys.argv[1:]])
    write_json(out / "train.json", {"command": command, "host": str(asked.host), "rows": rows, "versions": versions()})
    click.echo(f"wrote {out / 'train.json'}", err=True)
    click.echo(table(rows))


if __name__ == "__main__":
    main()
