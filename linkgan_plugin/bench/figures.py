"""The ablation's figures as plain data: one entry per run, and means and spreads over seeds."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training_loops.training_loop import OPTIONS_FILE

from ..runs import kimg_of, last_stat, snapshot_of
from .ablation import Job


@dataclass(frozen=True)
class Spread:
    """Mean over seeds, and standard deviation where there are several."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread | None:
        """Return the spread of those values that are there, None where none is."""
        found = [value for value in values if value is not None]
        if not found:
            return None
        return cls(float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else None)

    def __str__(self) -> str:
        return f"{self.mean:.3f}" if self.deviation is None else f"{self.mean:.3f} ± {self.deviation:.3f}"


def collect(jobs: Sequence[Job]) -> dict[str, Any]:
    """Return ``runs``, one entry per job, and ``rows``, their means and spreads over seeds."""
    runs = [_entry(job) for job in jobs]
    quality = {
        name: Spread.of([run["quality"] for run in runs if run["row"] == name])
        for name in dict.fromkeys(job.row.name for job in jobs)
    }
    for job, run in zip(jobs, runs, strict=True):
        base = quality[job.row.baseline]
        run["quality_ratio"] = run["quality"] / base.mean if base and run["quality"] is not None else None
    return {"runs": runs, "rows": [_summary(name, runs) for name in quality]}


def _entry(job: Job) -> dict[str, Any]:
    figures = job.figures() or {}
    options = json.loads((job.run_dir / OPTIONS_FILE).read_text(encoding="utf-8"))
    return {
        "row": job.row.name,
        "meaning": job.row.meaning,
        "seed": job.seed,
        "recipe": job.row.recipe,
        "switches": options["loss_kwargs"]["recipe"],
        "spec": figures["link_spec"],
        "baseline": job.row.baseline,
        "resume": job.row.resume,
        "command": shlex.join(["linkgan", "train", "--run-dir", str(job.run_dir), *job.arguments()]),
        "images": round(1000 * kimg_of(job.run_dir)),
        "images_before": round(
            1000 * sum(kimg_of(need.run_dir) for need in job.needs if need.row.name == job.row.resume)
        ),
        "seconds": round(last_stat(job.run_dir, "Timing/total_sec", 0.0), 1),
        "snapshot": str(snapshot_of(job.run_dir).relative_to(job.out)),
        "pairs": figures["pairs"],
        "metrics": _by_link(figures["results"]),
        "stderr": _by_link(figures["results_stderr"]),
        "unlinked_metrics": _by_link(figures["baseline"]) if "baseline" in figures else None,
        "quality": figures["results"].get("quality"),
        "quality_kind": figures.get("quality_kind"),
        "versions": job.versions(),
    }


def _by_link(flat: Mapping[str, float | None]) -> dict[str, dict[str, float | None]]:
    """Return ``link/key -> value`` as link -> key -> value."""
    links: dict[str, dict[str, float | None]] = {}
    for name, value in flat.items():
        link, _, key = name.rpartition("/")
        if link:
            links.setdefault(link, {})[key] = value
    return links


def _summary(name: str, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    mine = [run for run in runs if run["row"] == name]
    quality = {key: _plain(Spread.of([run[key] for run in mine])) for key in ("quality", "quality_ratio", "seconds")}
    return {
        "row": name,
        "meaning": mine[0]["meaning"],
        "seeds": [run["seed"] for run in mine],
        **quality,
        "metrics": _over_seeds([run["metrics"] for run in mine]),
        "unlinked_metrics": _over_seeds([run["unlinked_metrics"] or {} for run in mine]),
    }


def _over_seeds(metrics: Sequence[Mapping[str, Mapping[str, float | None]]]) -> dict[str, Any]:
    return {
        link: {key: _plain(Spread.of([run[link][key] for run in metrics])) for key in keys}
        for link, keys in metrics[0].items()
    }


def _plain(spread: Spread | None) -> dict[str, float | None] | None:
    return None if spread is None else {"mean": spread.mean, "deviation": spread.deviation}
