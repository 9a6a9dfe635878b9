"""The report of a study: tables, training curves, edit sheets and one page with all of them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
from .verdicts import HEADER, markdown_verdicts, verdict_rows

_SHARE = re.compile(r"Loss/link/(.+)/share")

Table = tuple[list[str], list[list[str]]]


@dataclass(frozen=True)
class Report:
    """What differs between the reports of two studies.

    Attributes:
        name: of its files: NAME.json, NAME.md and NAME.html.
        title: heading of NAME.md.
        page_title: heading of NAME.html.
        columns: metrics of each link in the tables.
        note: a sentence after the lead; "" for none.
        claims: result -> claims beyond the verdicts of rows, each with claim, verdict, difference, reason and paper.
    """

    name: str
    title: str
    page_title: str
    columns: tuple[str, ...] = ("locality", "effect_in", "leak_ratio", "transfer", "rest_keeps")
    note: str = ""
    claims: Callable[[Mapping[str, Any]], list[dict[str, Any]]] = lambda result: []


RECIPES = Report("recipes", "Recipes", "What links buy, and what they cost")


def make_tables(result: Mapping[str, Any], report: Report = RECIPES) -> list[Table]:
    """Return a (header, rows) of text for every set of link names, in the order of rows, and the table of claims."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in result["rows"]:
        groups.setdefault(tuple(row["links"]), []).append(row)
    tables = [_table(links, rows, report.columns) for links, rows in groups.items()]
    return [*tables, _claims_table(result["claims"])] if result["claims"] else tables


def _claims_table(claims: Sequence[Mapping[str, Any]]) -> Table:
    return ["claim", "verdict", "reason", "paper"], [
        [found["claim"], found["verdict"], found["reason"], found["paper"]] for found in claims
    ]


def _table(links: Sequence[str], rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    keys = [
        (link, key)
        for link in links
        for key in columns
        if any(row["metrics"].get(link, {}).get(key) is not None for row in rows)
    ]
    figures: list[tuple[str, Callable[[Mapping[str, Any]], str]]] = [
        (f"quality / {rows[0]['baseline'] if len({row['baseline'] for row in rows}) == 1 else 'unlinked'}", _ratio),
        ("verdict", _verdict),
        *((f"{link} {key}", partial(_cell, link=link, key=key)) for link, key in keys),
        *((f"edited quality {edit}", partial(_edited, edit=edit)) for edit in _edits(rows, "edited_quality")),
        *((f"edited - unedited {edit}", partial(_gap, edit=edit)) for edit in _edits(rows, "edited_quality")),
        *((f"fit {edit}", partial(_fit, edit=edit)) for edit in _edits(rows, "fit")),
        ("quality", lambda row: shown(row["quality"])),
        ("minutes", lambda row: "n/a" if row["seconds"] is None else f"{row['seconds']['mean'] / 60:.1f}"),
    ]
    header = ["row", *(name for name, _ in figures)]
    return header, [[row["row"], *(cell(row) for _, cell in figures)] for row in rows]


def _edits(rows: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(edit for row in rows for edit in row[key]))


def _ratio(row: Mapping[str, Any]) -> str:
    return with_paper(shown(row["quality_ratio"]), row["published"].get("quality_ratio"))


def _verdict(row: Mapping[str, Any]) -> str:
    if not row["seeds"]:
        return "failed"
    verdict = row["verdicts"].get("quality")
    return verdict["verdict"] if verdict else "n/a"


def _cell(row: Mapping[str, Any], *, link: str, key: str) -> str:
    text = shown(row["metrics"].get(link, {}).get(key))
    baseline = row["unlinked_metrics"].get(link, {}).get(key)
    text = f"{text} (unlinked {baseline['mean']:.3g})" if baseline else text
    return with_paper(text, row["published"].get(f"{link}/{key}"))


def _edited(row: Mapping[str, Any], *, edit: str) -> str:
    return shown(row["edited_quality"].get(edit))


def _gap(row: Mapping[str, Any], *, edit: str) -> str:
    return shown(row["edited_quality_difference"].get(edit))


def _fit(row: Mapping[str, Any], *, edit: str) -> str:
    return shown(row["fit"].get(edit))


def with_paper(text: str, number: float | None) -> str:
    """Return a cell followed by the paper's number, if it has one."""
    return text if number is None else f"{text} [paper {number:.3g}]"


def shown(value: Mapping[str, Any] | None) -> str:
    """Return a spread as stored in the result as text, ``n/a`` for None."""
    return "n/a" if value is None else str(Spread(**value))


def text(result: Mapping[str, Any], report: Report = RECIPES) -> str:
    """Return the tables as Markdown."""
    lines = [f"# {report.title}", "", _lead(result, report), ""]
    for header, cells in make_tables(result, report):
        lines += [markdown(header, cells), ""]
    if verdicts := markdown_verdicts(result["rows"]):
        lines += [verdicts, ""]
    lines += [f"- {row['row']}: {row['meaning']}" for row in result["rows"]]
    lines += [f"- failed: {row['row']}, seed {seed}: {why}" for row, seed, why in _failures(result)]
    return "\n".join([*lines, "", "```", result["command"], "```", ""])


def _failures(result: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str, str]]:
    """Return row, seed and the last line of the message of every failed run."""
    return [(row, seed, message.splitlines()[-1]) for row in result["rows"] for seed, message in row["failed"].items()]


def _lead(result: Mapping[str, Any], report: Report) -> str:
    protocol = result["protocol"]
    kinds = list(dict.fromkeys(run["quality_kind"] for run in result["runs"] if run.get("quality_kind")))
    pairs = max((run["pairs"] for run in result["runs"] if "failed" not in run), default=0)
    seeds = len({run["seed"] for run in result["runs"]})
    sentences = [
        f"{pairs:,} pairs measured; mean and standard error over {seeds} seed{'s' if seeds > 1 else ''}.",
        f"A claim on {protocol['data']} needs {protocol['seeds_for_a_claim']} seeds and more than two standard errors.",
        *(f"Quality: {kind}, lower is better." for kind in kinds),
        f"Quality is the mean over at most {protocol['snapshots']} snapshots of a run's last quarter." if kinds else "",
        report.note,
    ]
    return " ".join(filter(None, sentences))


def write_images(out: Path, rows: Sequence[Row], jobs: Sequence[Job]) -> None:
    """Write the training curves and an edit sheet of every row with trained networks."""
    (out / "curves").mkdir(exist_ok=True)
    (out / "sheets").mkdir(exist_ok=True)
    for row in tqdm(rows, desc="drawing", unit="row"):
        mine = [job for job in jobs if job.row.name == row.name and job.trained]
        if not mine:
            continue
        names = dict.fromkeys(name for record in read_stats(mine[0].run_dir) for name in record)
        blocks = [match[1] for name in names if (match := _SHARE.fullmatch(name))]
        curves = training_curves({f"seed {job.seed}": job.run_dir for job in mine}, blocks)
        write_bytes(out / "curves" / f"{row.name}.svg", curves.encode())
        sheets = []
        for job in mine:
            network = load_network(snapshot_of(job.run_dir))
            spec = network.linked(row.links if row.network is not None else ())
            title = f"{row.name}, seed {job.seed}: {row.meaning}"
            generator = LinkedGenerator(network.generator, spec, labels=network.labels(job.settings.data))
            sheets.append(edit_sheet(generator, range(3), spec.block_names, variants=3, title=title))
        recipe = json.dumps(row.full_recipe().to_json(), allow_nan=False)
        png.save_png(out / "sheets" / f"{row.name}.png", stack(sheets), {"row": row.name, "recipe": recipe})


def write_page(out: Path, rows: Sequence[Row], result: Mapping[str, Any], report: Report = RECIPES) -> None:
    """Write NAME.html from the result and the images."""
    tables = [page.Table(header, cells).to_html() for header, cells in make_tables(result, report)]
    if cells := verdict_rows(result["rows"]):
        tables.append(page.Table(HEADER, cells).to_html())
    tables += [page.paragraph(f"failed: {row['row']}, seed {seed}: {why}") for row, seed, why in _failures(result)]
    sections = [page.section("Figures", *tables)]
    for row in rows:
        drawn = out / "curves" / f"{row.name}.svg"
        images = []
        if drawn.exists():
            images = [page.image_tag(out / "sheets" / f"{row.name}.png", row.meaning), drawn.read_text("utf-8")]
        options = page.code(shlex.join(row.arguments()))
        sections.append(page.section(row.name, page.paragraph(row.meaning), options, *images))
    sections += [
        page.section("How this was made", page.code(result["command"])),
        page.section("Versions", page.code(result["versions"])),
    ]
    page.write_page(out / f"{report.name}.html", report.page_title, _lead(result, report), sections)
