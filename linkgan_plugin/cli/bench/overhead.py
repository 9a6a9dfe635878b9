"""`linkgan bench overhead`: time and memory of a training step, with and without links."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...flags import recipe_options, spec_options, take_recipe_options, take_spec_options
from ..params import DEVICE, check_out, existing_path, force_option, gathered
from .params import NUMBERS, folder, threads_option, write_result

if TYPE_CHECKING:
    from ...recipes import Recipe


@dataclass(frozen=True)
class Measurement:
    """What is measured.

    Attributes:
        counts: numbers of links that tile the image, from 1; None for 1, 2, 4, 8, or for given links.
        resolutions: sides of the procedural images in pixels; None for 32, 64, or for that of `data`.
        data: images to train on; None for procedural ones.
        steps: timed steps of a row.
        cfg: the embedded host's preset.
        batch: images of a step; None for the preset's.
        device: as typed; None for the GPU if there is one.
        threads: CPU threads.
        out: the folder for overhead.json.
        force: overwrite it.
    """

    counts: list[int] | None
    resolutions: list[int] | None
    data: Path | None
    steps: int
    cfg: str
    batch: int | None
    device: str | None
    threads: int
    out: Path
    force: bool

    def specs(self, links: tuple[str, ...]) -> list[Any]:
        """Return the links of each row: the given ones, or boxes that tile the image.

        Raises:
            click.UsageError: both were given.
        """
        from ...bench import cost

        if links and self.counts:
            raise click.UsageError("--links makes its own links; give it or --link, not both")
        return [links] if links else [cost.boxes(count) for count in self.counts or (1, 2, 4, 8)]

    def files(self) -> AbstractContextManager[list[Path]]:
        """Return a context that yields the data sets, one for each resolution."""
        from ...bench import cost

        return nullcontext([self.data]) if self.data else cost.procedural(self.cfg, self.resolutions or (32, 64))


@click.command(
    epilog="""\b
Examples:
  linkgan bench overhead --out runs/cost
  linkgan bench overhead --links 2 --link-recipe paper
  linkgan bench overhead --data faces.zip --link 'hair=16@semantic(parts.safetensors,hair)'
  linkgan bench overhead --cfg heads3d --resolutions 32 --link 'nose=8@box3d(-0.04,-0.06,0.13,0.04,0.03,0.36)'
""",
)
@click.option("--links", "counts", type=NUMBERS, help="Numbers of links that tile the image.  [default: 1,2,4,8]")
@click.option("--resolutions", type=NUMBERS, help="Sides of the procedural images, in pixels.  [default: 32,64]")
@click.option("--data", type=existing_path, help="Images to train on, instead of procedural faces or heads.")
@click.option("--steps", type=click.IntRange(32), default=256, show_default=True, help="Timed steps per row.")
@click.option("--cfg", default="tiny", show_default=True, help="The embedded host's preset.")
@click.option("--batch", type=click.IntRange(1), help="Images per step.")
@click.option("--device", type=DEVICE, help="cpu, cuda; by default a GPU if available.")
@threads_option
@click.option("--out", type=folder, default=Path("runs/bench-overhead"), show_default=True, help="For overhead.json.")
@force_option
@spec_options
@recipe_options
@gathered(Measurement)
def overhead(asked: Measurement, **links: Any) -> None:
    """Compare time and peak memory of the embedded host's training steps with and without links.

    Blocks of 16 steps with and without links alternate in one run. Without --link, the links tile the image in boxes.
    Memory on a CPU is that of tensors, counted in separate steps.
    """
    check_out(asked.out / "overhead.json", asked.force)
    if asked.data and asked.resolutions:
        raise click.UsageError("--resolutions is for procedural images; --data has its own resolution")
    from ...bench import cost

    recipe = _recipe(links)
    rows = _measured(asked, recipe, take_spec_options(links))
    write_result(asked.out / "overhead.json", {"recipe": recipe.to_json(), "cfg": asked.cfg, "rows": rows})
    click.echo(cost.table(rows))


def _recipe(flags: dict[str, Any]) -> Recipe:
    """Return the recipe of the link flags, with links from the first step."""
    from ...recipes import make_recipe

    name, switches = take_recipe_options(flags)
    if switches.get("start"):
        raise click.UsageError("--link-start delays links, but here steps with links are timed; omit it")
    return make_recipe(name, **{**switches, "start": 0.0})


def _measured(asked: Measurement, recipe: Recipe, spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Measure all rows, with a progress bar."""
    from tqdm import tqdm

    from ...bench import cost

    specs = asked.specs(spec["links"])
    rounds = max(1, asked.steps // (2 * cost.BLOCK))
    try:
        with (
            asked.files() as files,
            tqdm(total=cost.total_steps(len(specs) * len(files), rounds), unit="step", desc="training") as bar,
        ):
            return cost.measure_cost(
                specs,
                files,
                recipe,
                cfg=asked.cfg,
                space=spec["space"],
                allow_overlap=spec["allow_overlap"],
                rounds=rounds,
                device=asked.device,
                threads=asked.threads,
                progress=bar.update,
                batch=asked.batch,
            )
    except cost.Stopped:
        raise click.Abort from None
