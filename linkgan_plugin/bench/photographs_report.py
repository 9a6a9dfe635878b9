"""The report of `linkgan bench photographs`: a table of all rows, and one of each edit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..metrics.estimate import Estimate, mean, ratio
from .inversion_rows import DRAWN, Row
from .photograph_edits import FIGURES
from .photograph_quality import ALL, PASTED, RECONSTRUCTION
from .photographs import PHOTOGRAPHS
from .tables import markdown

GOAL = 1.5  # leak of an edited photograph, as a multiple of that of drawn latents
NONE, UNIT = Estimate(None, None, 0), Estimate(1.0, None, 0)
_PASTED_LEAK = "pasted_leak_photograph"
Figures = Mapping[str, Any]


def text(rows: Sequence[Row], figures: Mapping[str, Figures], facts: Sequence[str], command: str) -> str:
    """Return the tables as Markdown.

    Args:
        rows: ways to invert.
        figures: key -> figures, with those of DRAWN.
        facts: sentences about the data and the measures.
        command: as typed.
    """
    lines = ["# Photographs", "", " ".join([*facts, *_EXPLAINED]), ""]
    lines += [markdown(*summary(rows, figures)), ""]
    for edit in figures[DRAWN.key]["edits"]:
        lines += [f"## Edits: {edit}", "", markdown(*edit_table(edit, rows, figures)), ""]
    return "\n".join([*lines, "```", command, "```", ""])


_EXPLAINED = (
    "Means and standard errors over photographs; seconds are the median of the inversion alone.",
    "MAE and SSIM: of reconstructions, images in [-1, 1].",
    "Leak share: of all squared change that an edit makes, the share outside its region (1 - locality).",
    f"Leak, x drawn: mean squared change outside, divided by that of drawn latents edited alike; the goal is {GOAL:g}.",
    "Pasted: the same of the pasted image, compared with the photograph; what is left is in the seam.",
)


def summary(rows: Sequence[Row], figures: Mapping[str, Figures]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of all rows; figures of edits are means over all of them."""
    quality = bool(figures[DRAWN.key]["quality"])
    near = [name for name in _CLOSENESS if any(name in figures[row.key]["closeness"] for row in rows)]
    header = ["row", *(_CLOSENESS[name] for name in near), "seconds", "leak share", "leak, x drawn", "pasted, x drawn"]
    header += ["quality", "edited", "pasted"] if quality else []
    drawn = every(figures[DRAWN.key]["edits"])
    body = []
    for row in (DRAWN, *rows):
        mine, edits = figures[row.key], every(figures[row.key]["edits"])
        cells = [mean(np.array(mine["closeness"][name])) if name in mine["closeness"] else NONE for name in near]
        cells += [_median(mine["closeness"].get("seconds")), leak_share(edits)]
        cells += [UNIT if row is DRAWN else times(edits[name], drawn[name]) for name in ("leak", _PASTED_LEAK)]
        names = (RECONSTRUCTION, ALL, ALL + PASTED) if quality else ()
        body.append([row.title, *map(cell, cells), *(cell(_quality(mine, name)) for name in names)])
    if quality:
        blank = [""] * (len(header) - 4)
        body.append(["the photographs", *blank, cell(_quality(figures[DRAWN.key], PHOTOGRAPHS)), "", ""])
    return header, body


_CLOSENESS = {"mae": "MAE", "ssim": "SSIM", "pyramid": "pyramid distance", "features": "feature distance"}


def edit_table(edit: str, rows: Sequence[Row], figures: Mapping[str, Figures]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of one edit."""
    quality = bool(figures[DRAWN.key]["quality"])
    header = ["row", "effect", "leak", "leak share", "leak, x drawn", "leak to photograph"]
    header += ["pasted: effect", "pasted: leak to photograph", "pasted, x drawn"]
    header += ["quality edited", "quality pasted"] if quality else []
    drawn = _arrays(figures[DRAWN.key]["edits"][edit])
    body = []
    for row in (DRAWN, *rows):
        found = _arrays(figures[row.key]["edits"][edit])
        ratios = [UNIT if row is DRAWN else times(found[name], drawn[name]) for name in ("leak", _PASTED_LEAK)]
        cells = [mean(found["effect"]), mean(found["leak"]), leak_share(found), ratios[0]]
        cells += [mean(found[name]) for name in ("leak_photograph", "pasted_effect", _PASTED_LEAK)] + ratios[1:]
        cells += [_quality(figures[row.key], name) for name in (edit, edit + PASTED)] if quality else []
        body.append([row.title, *map(cell, cells)])
    return header, body


def every(edits: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, np.ndarray]:
    """Return the mean over all edits of each figure, [N] each."""
    return {name: np.mean([_arrays(edit)[name] for edit in edits.values()], axis=0) for name in FIGURES}


def leak_share(found: Mapping[str, np.ndarray]) -> Estimate:
    """Return the share of the change that lies outside the region; `found` has ``inside`` and ``outside``, [N] each."""
    return ratio(found["outside"], found["inside"] + found["outside"])


def times(mine: np.ndarray, drawn: np.ndarray) -> Estimate:
    """Return the ratio of two means over independent images, with the delta method's standard error.

    Args:
        mine: [N].
        drawn: [M], of other images.
    """
    above, below = mean(mine), mean(drawn)
    if above.value is None or not below.value:
        return NONE
    value = above.value / below.value
    if above.stderr is None or below.stderr is None or not above.value:
        return Estimate(value, None, above.n)
    # Var(a / b) = (a / b)^2 (Var a / a^2 + Var b / b^2)
    return Estimate(value, value * math.hypot(above.stderr / above.value, below.stderr / below.value), above.n)


def _arrays(figures: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    return {name: np.array(values, np.float64) for name, values in figures.items()}


def _median(values: Sequence[float] | None) -> Estimate:
    return NONE if values is None else Estimate(float(np.median(values)), None, len(values))


def _quality(figures: Figures, name: str) -> Estimate:
    found = figures["quality"].get(name)
    return NONE if found is None else Estimate(found["value"], found["stderr"], 0)


def cell(estimate: Estimate) -> str:
    """Return a value to two digits of its standard error; to three digits without one, "-" without a value."""
    value, error = estimate.value, estimate.stderr
    if value is None:
        return "-"
    if not error:
        return f"{value:.3g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}"
