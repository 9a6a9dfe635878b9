"""`linkgan bench`: what links cost and what they buy, measured here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from .params import command_line

EPILOG = """\b
Examples:
  linkgan bench overhead --links 1,2,4,8 --resolutions 32,64 --out runs/overhead
"""


class Numbers(click.ParamType):
    """Whole numbers from 1 on, joined by commas."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Return the numbers in the order given."""
        if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", str(value)):
            self.fail(f"{value!r} is not a list of numbers; expected e.g. 1,2,4,8", param, ctx)
        return [int(part) for part in str(value).split(",")]


NUMBERS = Numbers()
folder = click.Path(path_type=Path, file_okay=False)
threads_option = click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads.")


@click.group(epilog=EPILOG)
def bench() -> None:
    """Measure what links cost and what they buy.

    What is compared always takes turns within one run, so that the machine's other work weighs on both sides.
    """


@bench.command(
    short_help="Time and memory of a training step, with and without links.",
    epilog="\b\nExamples:\n  linkgan bench overhead --out runs/cost\n  linkgan bench overhead --recipe paper",
)
@click.option("--links", type=NUMBERS, default="1,2,4,8", show_default=True, help="Numbers of links.")
@click.option("--resolutions", type=NUMBERS, default="32,64", show_default=True, help="Sides of images, in pixels.")
@click.option("--steps", type=click.IntRange(32), default=256, show_default=True, help="Timed steps per row.")
@click.option("--recipe", default="default", show_default=True, help="default or paper.")
@click.option("--cfg", default="tiny", show_default=True, help="The embedded host's preset.")
@click.option("--batch", type=click.IntRange(1), help="Images per step.")
@click.option("--device", help="cpu, cuda; by default the GPU if there is one.")
@threads_option
@click.option("--out", type=folder, default=Path("runs/bench-overhead"), show_default=True, help="For overhead.json.")
def overhead(
    links: list[int],
    resolutions: list[int],
    steps: int,
    recipe: str,
    cfg: str,
    batch: int | None,
    device: str | None,
    threads: int,
    out: Path,
) -> None:
    """Time whole training steps of the embedded host, and their peak memory, with links over without.

    Blocks of 16 steps with and without links take turns in one run. The links tile the image in boxes. Memory on a CPU
    is what tensors take, counted in steps of their own.
    """
    from tqdm import tqdm

    from ..bench import cost
    from ..bench.tables import markdown
    from ..recipes import make_recipe

    switches = make_recipe(recipe)
    rounds = max(1, steps // (2 * cost.BLOCK))
    try:
        with tqdm(total=cost.total_steps(links, resolutions, rounds), unit="step", desc="training") as bar:
            rows = cost.measure_cost(
                links,
                resolutions,
                switches,
                cfg=cfg,
                rounds=rounds,
                device=device,
                threads=threads,
                progress=bar.update,
                batch=batch,
            )
    except cost.Stopped:
        raise click.Abort from None
    write_result(out / "overhead.json", {"recipe": switches.to_json(), "cfg": cfg, "rows": rows})
    header = ["links", "resolution", "time with / without", "middle half", "memory with / without", "ms per step"]
    cells = [
        [
            str(row["links"]),
            str(row["resolution"]),
            f"{row['time_ratio']:.3f}",
            f"{row['time_ratio_low']:.3f} - {row['time_ratio_high']:.3f}",
            f"{row['memory_ratio']:.3f}",
            f"{1e3 * sum(row['step_seconds_without']) / len(row['step_seconds_without']):.1f}",
        ]
        for row in rows
    ]
    click.echo(markdown(header, cells))


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write a measurement as JSON, with the command that made it and the versions that it depends on."""
    from ..atomic import write_json
    from ..metrics.record import versions

    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"command": command_line(), **result, "versions": versions()})
    click.echo(f"wrote {path}", err=True)
