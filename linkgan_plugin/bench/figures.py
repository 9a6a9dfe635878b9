"""The figures of a study as plain data: one entry per run, and per row the mean over seeds with its standard error."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from training_loops.training_loop import OPTIONS_FILE

from ..metrics.claims import SEEDS, SNAPSHOTS, over_snapshots
from ..runs import kimg_of, last_stat
from .ablation import Job
from .verdicts import add_verdicts

EDITED, DIFFERENCE, FIT = "edited_quality:", "edited_quality_difference:", "fit:"


@dataclass(frozen=True)
class Spread:
    """Mean over seeds; with several seeds also their standard deviation and the standard error of the mean."""

    mean: float
    deviation: float | None
    stderr: float | None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread | None:
        """Return the spread of the values that are not None; None if there are none."""
        found = [value for value in values if value is not None]
        if not found:
            return None
        deviation = float(np.std(found, ddof=1)) if len(found) > 1 else None
        return cls(float(np.mean(found)), deviation, None if deviation is None else deviation / math.sqrt(len(found)))

    def __str__(self) -> str:
        style = ".3f" if abs(self.mean) >= 0.1 else ".3g"
        return f"{self.mean:{style}}" if self.stderr is None else f"{self.mean:{style}} ± {self.stderr:{style}}"


def collect(jobs: Sequence[Job], failures: Mapping[Job, str] | None = None) -> dict[str, Any]:
    """Return ``runs``, one entry per job, ``rows``, their means over seeds with verdicts, and ``protocol``.

    Args:
        jobs: all jobs of the study.
        failures: job -> message of those that failed; their entries contain it.
    """
    failures = failures or {}
    runs = [_failed(job, failures[job]) if job in failures else _entry(job) for job in jobs]
    names = list(dict.fromkeys(job.row.name for job in jobs))
    quality = {name: Spread.of([run["quality"] for run in runs if run["row"] == name]) for name in names}
    for run in runs:
        base = quality[run["baseline"]]
        run["quality_ratio"] = run["quality"] / base.mean if base and run["quality"] is not None else None
    rows = [_summary(name, runs) for name in names]
    data = jobs[0].settings.data_kind
    add_verdicts(rows, runs, data)
    protocol = {"data": data, "seeds_for_a_claim": SEEDS[data], "snapshots": SNAPSHOTS}
    return {"runs": runs, "rows": rows, "protocol": protocol}


def _described(job: Job) -> dict[str, Any]:
    row = job.row
    return {
        "row": row.name,
        "meaning": row.meaning,
        "links": row.link_names,
        "seed": job.seed,
        "recipe": row.recipe,
        "baseline": row.baseline,
        "resume": row.resume,
        "network": row.network,
        "published": dict(row.published),
    }


def _failed(job: Job, message: str) -> dict[str, Any]:
    """Return the entry of a run without figures."""
    empty: dict[str, Any] = {
        "quality": None,
        "seconds": None,
        "metrics": {},
        "unlinked_metrics": None,
        "edited_quality": {},
        "edited_quality_difference": {},
        "unlinked_edited_quality": {},
        "fit": {},
    }
    return {**_described(job), "failed": message, **empty}


def _entry(job: Job) -> dict[str, Any]:
    lines = job.figures() or {}
    *_, last = lines
    figures = lines[last]
    snapshots = {snapshot: kimg for snapshot, kimg in job.snapshots().items() if snapshot in lines}
    options = json.loads((job.run_dir / OPTIONS_FILE).read_text(encoding="utf-8"))
    return {
        **_described(job),
        "switches": options["loss_kwargs"]["recipe"],
        "spec": figures["link_spec"],
        "command": shlex.join(["linkgan", "train", "--run-dir", str(job.run_dir), *job.trainer.arguments()]),
        "images": round(1000 * kimg_of(job.run_dir)),
        "images_before": round(
            1000 * sum(kimg_of(need.run_dir) for need in job.needs if need.row.name == job.row.resume)
        ),
        "seconds": round(last_stat(job.run_dir, "Timing/total_sec", 0.0), 1) if job.kimg else None,
        "snapshot": str(last.relative_to(job.out)),
        "pairs": figures["pairs"],
        "metrics": _by_link(figures["results"]),
        "stderr": _by_link(figures["results_stderr"]),
        "unlinked_metrics": _by_link(figures["baseline"]) if "baseline" in figures else None,
        "quality": _mean(lines, snapshots, "results", "quality"),
        "quality_kind": figures.get("quality_kind"),
        "quality_snapshots": [
            {"snapshot": str(path.relative_to(job.out)), "kimg": kimg, "quality": lines[path]["results"].get("quality")}
            for path, kimg in snapshots.items()
        ],
        "edited_quality": _means(lines, snapshots, "results", EDITED),
        "edited_quality_difference": _means(lines, snapshots, "results", DIFFERENCE),
        "edited_quality_difference_stderr": _means(lines, snapshots, "results_stderr", DIFFERENCE),
        "unlinked_edited_quality": _means(lines, snapshots, "baseline", EDITED),
        "fit": {key.removeprefix(FIT): value for key, value in figures["results"].items() if key.startswith(FIT)},
        "versions": job.versions(),
    }


def _mean(lines: Mapping[Any, Any], snapshots: Mapping[Any, float], where: str, key: str) -> float | None:
    """Return the mean of a figure over the measured snapshots; None if one of them does not have it."""
    if any(line.get(where, {}).get(key) is None for line in lines.values()):
        return None
    return over_snapshots(snapshots, lambda snapshot: lines[snapshot][where][key], SNAPSHOTS)


def _means(
    lines: Mapping[Any, Any], snapshots: Mapping[Any, float], where: str, prefix: str
) -> dict[str, float | None]:
    """Return edit -> `_mean` of the figures ``prefixEDIT``."""
    keys = dict.fromkeys(key for line in lines.values() for key in line.get(where, {}) if key.startswith(prefix))
    return {key.removeprefix(prefix): _mean(lines, snapshots, where, key) for key in keys}


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
    spreads = {key: _plain(Spread.of([run[key] for run in mine])) for key in ("quality", "quality_ratio", "seconds")}
    return {
        "row": name,
        "meaning": mine[0]["meaning"],
        "links": mine[0]["links"],
        "baseline": mine[0]["baseline"],
        "published": mine[0]["published"],
        "seeds": [run["seed"] for run in mine if "failed" not in run],
        "failed": {str(run["seed"]): run["failed"] for run in mine if "failed" in run},
        **spreads,
        **{key: _over_seeds(mine, key) for key in ("edited_quality", "edited_quality_difference", "fit")},
        "metrics": _metrics_over_seeds(mine, "metrics"),
        "unlinked_metrics": _metrics_over_seeds(mine, "unlinked_metrics"),
    }


def _over_seeds(runs: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    names = dict.fromkeys(name for run in runs for name in run[key])
    return {name: _plain(Spread.of([run[key].get(name) for run in runs])) for name in names}


def _metrics_over_seeds(runs: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    links = dict.fromkeys(link for run in runs for link in run[key] or {})
    return {link: _over_seeds([{link: (run[key] or {}).get(link, {})} for run in runs], link) for link in links}


def _plain(spread: Spread | None) -> dict[str, float | None] | None:
    return None if spread is None else asdict(spread)
