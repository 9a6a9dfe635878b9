"""Verdicts: whether a row differs from its baseline, by the project's rule for claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ..metrics.claims import claim
from .settings import DataKind
from .tables import markdown

QUALITY, EDITED = "quality", "edited quality"
HEADER = ("row", "figure", "compared with", "verdict", "ratio", "difference", "reason")

Runs = Sequence[Mapping[str, Any]]


def add_verdicts(rows: Sequence[dict[str, Any]], runs: Runs, data: DataKind) -> None:
    """Add ``verdicts`` to each row: figure -> verdict, ratio, difference, stderr and reason.

    Figures are ``quality``, ``edited quality`` (of a run, the mean over the edits of single links) and
    ``edited quality EDIT``. A row without figures, or compared with itself, has none.

    Args:
        rows: of the result, changed in place.
        runs: of the result.
        data: decides the number of seeds that a claim needs.
    """
    for row in rows:
        mine, base = ([run for run in runs if run["row"] == name] for name in (row["row"], row["baseline"]))
        row["verdicts"] = {}
        if row["row"] == row["baseline"]:
            continue
        for figure, (ours, theirs) in _compared(mine, base, row["links"]).items():
            first, second = ([value for value in side if value is not None] for side in (ours, theirs))
            if first and second:
                row["verdicts"][figure] = asdict(claim(first, second, data=data))


def _compared(mine: Runs, base: Runs, links: Sequence[str]) -> dict[str, tuple[list[Any], list[Any]]]:
    """Return figure -> (one value per run of the row, one per run of its baseline)."""
    own = [run["edited_quality"] for run in mine]
    # On axes and regions of its own, a row is compared with the baseline's network measured on these.
    foreign = [run["unlinked_edited_quality"] for run in mine]
    theirs = foreign if any(foreign) else [run["edited_quality"] for run in base]
    edits = dict.fromkeys(edit for run in own for edit in run)
    found = {QUALITY: ([run["quality"] for run in mine], [run["quality"] for run in base])}
    if edits:
        found[EDITED] = ([_over_links(run, links) for run in own], [_over_links(run, links) for run in theirs])
    for edit in edits:
        found[f"{EDITED} {edit}"] = ([run.get(edit) for run in own], [run.get(edit) for run in theirs])
    return found


def _over_links(edited: Mapping[str, float | None], links: Sequence[str]) -> float | None:
    """Return the mean quality over the edits of single links; None if one is missing."""
    values = [edited.get(link) for link in links]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def verdict_rows(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the cells of the table of verdicts, under `HEADER`."""
    return [
        [row["row"], figure, row["baseline"], *_cells(verdict)]
        for row in rows
        for figure, verdict in row["verdicts"].items()
    ]


def _cells(verdict: Mapping[str, Any]) -> list[str]:
    ratio, stderr = verdict["ratio"], verdict["stderr"]
    difference = f"{verdict['difference']:.4g}" + ("" if stderr is None else f" ± {stderr:.2g}")
    return [verdict["verdict"], "n/a" if ratio is None else f"{ratio:.3f}", difference, verdict["reason"]]


def markdown_verdicts(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of verdicts as Markdown; "" if there are none."""
    cells = verdict_rows(rows)
    return markdown(list(HEADER), cells) if cells else ""
