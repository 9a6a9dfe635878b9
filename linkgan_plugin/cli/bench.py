"""`linkgan bench`: what links cost and what they buy, measured here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from ..flags import (
    recipe_options,
    segmenter_option,
    spec_options,
    take_recipe_options,
    take_spec_options,
    trust_option,
)
from .network_options import check_links, class_option, host_option, links_options
from .params import DEVICE, SEEDS, check_out, command_line, existing_file, existing_path, force_option

EPILOG = """\b
Examples:
  linkgan bench overhead --links 1,2,4,8 --resolutions 32,64 --out runs/overhead
  linkgan bench metrics runs/demo/linked/network-snapshot-000084.pt
  linkgan bench train --host stylegan3
  linkgan bench recipes --rows default,paper --seeds 0,1,2
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
    epilog="""\b
Examples:
  linkgan bench overhead --out runs/cost
  linkgan bench overhead --links 2 --link-recipe paper
  linkgan bench overhead --data faces.zip --link 'hair=16@semantic(parts.safetensors,hair)'
  linkgan bench overhead --cfg heads3d --resolutions 32 --link 'nose=8@box3d(-0.04,-0.06,0.13,0.04,0.03,0.36)'
""",
)
@click.option("--links", "counts", type=NUMBERS, help="Numbers of links that tile the image; 1,2,4,8.")
@click.option("--resolutions", type=NUMBERS, help="Sides of the procedural images, in pixels; 32,64.")
@click.option("--data", type=existing_path, help="Images to train on, instead of procedural faces or heads.")
@click.option("--steps", type=click.IntRange(32), default=256, show_default=True, help="Timed steps per row.")
@click.option("--cfg", default="tiny", show_default=True, help="The embedded host's preset.")
@click.option("--batch", type=click.IntRange(1), help="Images per step.")
@click.option("--device", type=DEVICE, help="cpu, cuda; by default the GPU if there is one.")
@threads_option
@click.option("--out", type=folder, default=Path("runs/bench-overhead"), show_default=True, help="For overhead.json.")
@force_option
@spec_options
@recipe_options
def overhead(
    counts: list[int] | None,
    resolutions: list[int] | None,
    data: Path | None,
    steps: int,
    cfg: str,
    batch: int | None,
    device: str | None,
    threads: int,
    out: Path,
    force: bool,
    **values: Any,
) -> None:
    """Time whole training steps of the embedded host, and their peak memory, with links over without.

    Blocks of 16 steps with and without links take turns in one run. Without --link, the links tile the image in boxes.
    Memory on a CPU is what tensors take, counted in steps of their own.
    """
    from contextlib import nullcontext

    from tqdm import tqdm

    from ..bench import cost
    from ..recipes import make_recipe

    check_out(out / "overhead.json", force)
    name, switches = take_recipe_options(values)
    spec = take_spec_options(values)
    links = spec.pop("links")
    if links and counts:
        raise click.UsageError("--links makes its own links; give it or --link, not both")
    if data and resolutions:
        raise click.UsageError("--resolutions is for procedural images; --data has its own resolution")
    if switches.pop("start", 0.0):
        raise click.UsageError("--link-start says when links start, and what is timed here are steps with links")
    recipe = make_recipe(name, **switches, start=0.0)
    specs = [links] if links else [cost.boxes(count) for count in counts or (1, 2, 4, 8)]
    rounds = max(1, steps // (2 * cost.BLOCK))
    try:
        with (
            nullcontext([data]) if data else cost.procedural(cfg, resolutions or (32, 64)) as files,
            tqdm(total=cost.total_steps(len(specs) * len(files), rounds), unit="step", desc="training") as bar,
        ):
            rows = cost.measure_cost(
                specs,
                files,
                recipe,
                cfg=cfg,
                rounds=rounds,
                device=device,
                threads=threads,
                progress=bar.update,
                batch=batch,
                **spec,
            )
    except cost.Stopped:
        raise click.Abort from None
    write_result(out / "overhead.json", {"recipe": recipe.to_json(), "cfg": cfg, "rows": rows})
    click.echo(cost.table(rows))


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write a measurement as JSON, with the command that made it and the versions that it depends on."""
    from training_loops.formats.atomic import write_json

    from ..metrics.record import versions

    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"command": command_line(), **result, "versions": versions()})
    click.echo(f"wrote {path}", err=True)


@bench.command(
    short_help="The ablation: every switch, trained, measured, tabled.",
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
@click.option("--quality-images", type=click.IntRange(0), default=5000, show_default=True, help="0 = no quality.")
@click.option("--out", type=folder, default=Path("runs/bench-recipes"), show_default=True)
@click.option("--list", "only_list", is_flag=True, help="List the rows and stop.")
@click.argument("train_options", metavar="[-- TRAIN OPTIONS]", nargs=-1, type=click.UNPROCESSED)
def recipes(
    rows: str | None,
    own: tuple[str, ...],
    seeds: list[int],
    kimg: float,
    data: Path | None,
    links: tuple[str, ...],
    jobs: int,
    pairs: int,
    quality_images: int,
    out: Path,
    only_list: bool,
    train_options: tuple[str, ...],
) -> None:
    """Train and measure named sets of switches, each a plain `linkgan train`, with the same images for all.

    Every switch in which `default` and `paper` differ has a row from both ends; others vary axes and regions. Ctrl-C at
    any time: the same command goes on, and what is finished is not done again. What follows -- goes to every
    `linkgan train`.
    """
    from training_loops.data.faces import DEMO_LINKS

    from ..bench.rows import choose_rows

    chosen = choose_rows(rows.split(",") if rows else [], links or DEMO_LINKS, own)
    if only_list:
        for row in chosen:
            click.echo(f"{row.name:<24}{row.meaning}")
        return

    from ..bench.ablation import Settings
    from ..bench.recipes import default_data, run_recipes
    from ..errors import Interrupted
    from ..links import parse_region

    for text in {text for row in chosen for text in row.links}:
        parse_region(text.partition("@")[2])  # what is named here, the commands of the runs are told
    settings = Settings(
        data or default_data(out), kimg, tuple(links or DEMO_LINKS), train_options, pairs, quality_images
    )
    try:
        run_recipes(chosen, seeds, out, settings, jobs=jobs, command=command_line())
    except Interrupted:
        click.echo(f"\nstopped; the same command goes on: {command_line()}")
        raise click.exceptions.Exit(130) from None
    click.echo((out / "recipes.md").read_text(encoding="utf-8"))
    click.echo(f"wrote {out / 'recipes.json'}; open {out / 'recipes.html'}", err=True)


@bench.command(
    short_help="Speed of region metrics against bare synthesis.",
    epilog="\b\nExamples:\n  linkgan bench metrics runs/demo/linked/network-snapshot-000084.pt",
)
@click.argument("snapshot", type=existing_file)
@links_options
@click.option("--pairs", type=click.IntRange(2), default=256, show_default=True, help="Pairs per round.")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Images at a time.")
@click.option("--rounds", type=click.IntRange(1), default=8, show_default=True)
@click.option("--data", type=existing_path, help="Data set for attributes and labels.")
@class_option
@click.option("--device", type=DEVICE, default="cpu", show_default=True)
@threads_option
@host_option
@click.option("--out", type=folder, default=Path("runs/bench-metrics"), show_default=True, help="For metrics.json.")
@force_option
def metrics(
    snapshot: Path,
    links: tuple[str, ...],
    link_space: str | None,
    link_overlap: bool,
    pairs: int,
    batch: int,
    rounds: int,
    data: Path | None,
    number: int | None,
    device: str,
    threads: int,
    host: Path | None,
    out: Path,
    force: bool,
) -> None:
    """Count the images that `linkgan metrics` renders per second, against bare synthesis of the same images.

    Both render the same batches and take turns. With --data that has a reader, such as the procedural faces, a
    second row has the metrics that read attributes as well.
    """
    check_links()
    check_out(out / "metrics.json", force)

    import torch
    from tqdm import tqdm

    from ..bench import throughput
    from ..generators import LinkedGenerator
    from ..metrics.readers import reader_for
    from ..networks import load_network

    torch.set_num_threads(threads)
    network = load_network(snapshot, device, host)
    spec = network.linked(links, space=link_space, allow_overlap=link_overlap)
    generator = LinkedGenerator(network.generator, spec, labels=network.labels(data, number))
    reader = reader_for(data, device)
    kinds = {"region metrics": None} | ({"with attributes read": reader} if reader else {})
    with tqdm(total=len(kinds) * (rounds + 1), unit="round", desc="measuring") as bar:
        rows = [
            {
                "metrics": name,
                **throughput.measure_throughput(
                    generator, kind, pairs=pairs, batch=batch, rounds=rounds, progress=bar.update
                ),
            }
            for name, kind in kinds.items()
        ]
    write_result(out / "metrics.json", {"snapshot": str(snapshot), "pairs": pairs, "batch": batch, "rows": rows})
    click.echo(throughput.table(rows))


@bench.command(
    short_help="Training speed beside a real stylegan3.",
    epilog="\b\nExamples:\n  linkgan bench train --host stylegan3\n  linkgan bench train --host stylegan3 --cfg small",
)
@host_option
@click.option(
    "--terms",
    type=click.Choice(["both", "stylegan2", "tiny"]),
    default="both",
    show_default=True,
    help="Loss terms: with path length, style mixing and noise as --cfg=stylegan2 has them, or without.",
)
@click.option("--cfg", default="tiny", show_default=True, help="Sizes of the networks: the embedded host's preset.")
@click.option("--resolution", type=click.IntRange(8), default=32, show_default=True, help="Side of images, in pixels.")
@click.option("--rounds", type=click.IntRange(1), default=8, show_default=True, help="Turns of 16 steps for each.")
@click.option("--batch", type=click.IntRange(1), help="Images per step.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@threads_option
@click.option("--out", type=folder, default=Path("runs/bench-train"), show_default=True, help="For train.json.")
@force_option
def train(
    host: Path | None,
    terms: str,
    cfg: str,
    resolution: int,
    rounds: int,
    batch: int | None,
    device: str,
    threads: int,
    out: Path,
    force: bool,
) -> None:
    """Train the embedded host and a real stylegan3 --cfg=stylegan2 of the same configuration, in turns.

    Each runs its own, whole training loop in a process of its own, with the same architecture, loss terms and batch.
    Its code runs from --host, on a CPU with CUDA emulated there.
    """
    from tqdm import tqdm

    from training_loops.processes import device_named

    from ..bench import beside

    if host is None:
        raise click.UsageError("--host is needed: the folder of stylegan3 with its train.py")
    check_out(out / "train.json", force)
    device_named(device)  # says so where there is no GPU
    chosen = list(beside.TERMS) if terms == "both" else [terms]
    with tqdm(total=len(chosen) * (rounds + beside.WARMUP), unit="round", desc="training both") as bar:
        rows = [
            beside.compare(
                host,
                name,
                cfg=cfg,
                resolution=resolution,
                rounds=rounds,
                device=device,
                threads=threads,
                progress=bar.update,
                batch=batch,
            )
            for name in chosen
        ]
    write_result(out / "train.json", {"host": str(host), "rows": rows})
    click.echo(beside.table(rows))
