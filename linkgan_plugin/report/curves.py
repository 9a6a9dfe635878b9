"""Training curves: plots of the statistics in stats.jsonl."""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

COLOURS = ("#d1495b", "#00798c", "#edae49", "#66a182", "#2e4057", "#8d6a9f")


def read_stats(run_dir: Path) -> list[dict[str, Any]]:
    """Return the records of ``stats.jsonl``, oldest first; skips a line cut off by a crash."""
    records = []
    for line in (run_dir / "stats.jsonl").read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


def series(records: Sequence[Mapping[str, Any]], name: str) -> tuple[list[float], list[float]]:
    """Return (kimg, mean) of one statistic where it was reported; NaN for values that were not finite (null)."""
    points = [
        (record["Progress/kimg"]["mean"], math.nan if record[name]["mean"] is None else record[name]["mean"])
        for record in records
        if record.get(name, {}).get("num", 0) > 0 and "Progress/kimg" in record
    ]
    return [x for x, _ in points], [y for _, y in points]


def training_curves(runs: Mapping[str, Path], blocks: Sequence[str]) -> str:
    """Plot the runs' link shares and losses next to each other; return SVG text.

    Args:
        runs: heading -> run directory; the first is drawn solid, the others dashed.
        blocks: link names (and `rest`).
    """
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.4), layout="constrained")
    for (heading, run_dir), style in zip(runs.items(), itertools.cycle(("-", "--", ":", "-.")), strict=False):
        records = read_stats(run_dir)
        for block, colour in zip(blocks, itertools.cycle(COLOURS), strict=False):
            left.plot(*series(records, f"Loss/link/{block}/share"), style, color=colour, label=f"{block}, {heading}")
            middle.plot(*series(records, f"Loss/link/{block}/effect"), style, color=colour)
        right.plot(*series(records, "Loss/G/loss"), style, color=COLOURS[0], label=f"G, {heading}")
        right.plot(*series(records, "Loss/D/loss"), style, color=COLOURS[1], label=f"D, {heading}")
    _finish(left, "share of the leak in all change", "leak / all change", (0, 1))
    _finish(middle, "effect", "mean squared change", None)
    middle.set_yscale("log")
    _finish(right, "host's own losses", "loss", None)
    if blocks:
        left.legend(fontsize=7)
    right.legend(fontsize=7)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _finish(axes: Axes, title: str, label: str, limits: tuple[float, float] | None) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("thousand images seen", fontsize=8)
    axes.set_ylabel(label, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    if limits:
        axes.set_ylim(*limits)
