"""What people look at after the ablation: tables, curves, sheets and the page that holds them all."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from training_loops.formats.atomic import write_bytes

from ..generators import LinkedGenerator
from ..images import png
from ..networks import load_network
from ..report import page
from ..report.curves import read_stats, training_curves
from ..report.sheet import edit_sheet, stack
from ..runs import snapshot_of
from .ablation import Job
from .figures import Spread
from .rows import Row
from .tables import markdown

COLUMNS = ("locality", "effect_in", "leak_ratio", "transfer", "rest_keeps")
_SHARE = re.compile(r"Loss/link/(.+)/share")

Table = tuple[list[str], list[list[str]]]


def make_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return a (header, rows) of text for every set of link names, in the order of rows."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in result["rows"]:
        groups.setdefault(tuple(row["metrics"]), []).append(row)
    return [_table(links, rows) for links, rows in groups.items()]


def _table(links: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    keys = [
        (link, key)
        for link in links
        for key in COLUMNS
        if any(row["metrics"][link].get(key) is not None for row in rows)
    ]
    header = ["row", "quality / unlinked", *(f"{link} {key}" for link, key in keys), "quality", "minutes"]
    cells = []
    for row in rows:
        seconds = row["seconds"]["mean"]
        figures = [_cell(row, link, key) for link, key in keys]
        cells.append(
            [row["row"], _shown(row["quality_ratio"]), *figures, _shown(row["quality"]), f"{seconds / 60:.1f}"]
        )
    return header, cells


def _cell(row: Mapping[str, Any], link: str, key: str) -> str:
    shown = _shown(row["metrics"][link].get(key))
    baseline = row["unlinked_metrics"].get(link, {}).get(key)
    return f"{shown} (unlinked {baseline['mean']:.3f})" if baseline else shown


def _shown(value: Mapping[str, Any] | None) -> str:
    return "n/a" if value is None else str(Spread(**value))


def text(result: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    lines = ["# Recipes", "", _lead(result), ""]
    for header, cells in make_tables(result):
        lines += [markdown(header, cells), ""]
    lines += [f"- {row['row']}: {row['meaning']}" for row in result["rows"]]
    return "\n".join([*lines, "", "```", result["command"], "```", ""])


def _lead(result: Mapping[str, Any]) -> str:
    run = result["runs"][0]
    seeds = len({run["seed"] for run in result["runs"]})
    kind = f" Quality: {run['quality_kind']}, lower is better." if run["quality_kind"] else ""
    return (
        f"{run['images']:,} images seen by every network, {run['pairs']:,} pairs measured; mean and standard deviation "
        f"over {seeds} seed{'s' if seeds > 1 else ''}.{kind}"
    )


def write_images(out: Path, rows: Sequence[Row], jobs: Sequence[Job]) -> None:
    """Write the training curves and an edit sheet of every row."""
    (out / "curves").mkdir(exist_ok=True)
    (out / "sheets").mkdir(exist_ok=True)
    for row in tqdm(rows, desc="drawing", unit="row"):
        mine = [job for job in jobs if job.row.name == row.name]
        names = dict.fromkeys(name for record in read_stats(mine[0].run_dir) for name in record)
        blocks = [match[1] for name in names if (match := _SHARE.fullmatch(name))]
        curves = training_curves({f"seed {job.seed}": job.run_dir for job in mine}, blocks)
        write_bytes(out / "curves" / f"{row.name}.svg", curves.encode())
        sheets = []
        for job in mine:
            network = load_network(snapshot_of(job.run_dir))
            spec = network.linked()
            title = f"{row.name}, seed {job.seed}: {row.meaning}"
            generator = LinkedGenerator(network.generator, spec, labels=network.labels(job.settings.data))
            sheets.append(edit_sheet(generator, range(3), spec.block_names, variants=3, title=title))
        recipe = json.dumps(row.full_recipe().to_json(), allow_nan=False)
        png.save_png(out / "sheets" / f"{row.name}.png", stack(sheets), {"row": row.name, "recipe": recipe})


def write_page(out: Path, rows: Sequence[Row], result: Mapping[str, Any]) -> None:
    """Write recipes.html from the result and the images."""
    tables = make_tables(result)
    sections = [page.section("Figures", *(page.Table(header, cells).to_html() for header, cells in tables))]
    for row in rows:
        curves = (out / "curves" / f"{row.name}.svg").read_text(encoding="utf-8")
        sheet = page.image_tag(out / "sheets" / f"{row.name}.png", row.meaning)
        options = page.code(shlex.join(row.arguments()))
        sections.append(page.section(row.name, page.paragraph(row.meaning), options, sheet, curves))
    sections += [
        page.section("How this was made", page.code(result["command"])),
        page.section("Versions", page.code(result["versions"])),
    ]
    page.write_page(out / "recipes.html", "What links buy, and what they cost", _lead(result), sections)
