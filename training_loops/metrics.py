"""Metrics by name, as in the hosts: register, calculate for a generator, append to metric-<name>.jsonl."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

from training_loops import processes, util
from training_loops.errors import InputError
from training_loops.formats import strict_json
from training_loops.formats.atomic import append_line

MetricFunction = Callable[["MetricOptions"], dict[str, Any]]
_F = TypeVar("_F", bound=Callable[..., Any])
_metrics: dict[str, MetricFunction] = {}


class UnknownMetricError(InputError):
    """A metric that is not registered; the message lists the known ones."""


@dataclass
class MetricOptions:
    """The arguments of a metric function.

    `G` is a copy in eval mode on any device: move a copy to `device` before use. `G_kwargs` are arguments for its
    synthesis. `progress` is called as ``progress(done, total)`` when given. With several processes (`num_gpus`,
    `rank`) every rank calls the metric and must return the same keys.
    """

    G: Any = None
    G_kwargs: dict[str, Any] = field(default_factory=dict)
    dataset_kwargs: dict[str, Any] = field(default_factory=dict)
    num_gpus: int = 1
    rank: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: Callable[[int, int], None] | None = None
    cache: bool = True


def register_metric(fn: _F) -> _F:
    """Decorator: register ``fn(opts) -> {key: JSON value}`` under its name, replacing an earlier one."""
    _metrics[fn.__name__] = fn
    return fn


def is_valid_metric(metric: str) -> bool:
    """Return whether `metric` is registered."""
    return metric in _metrics


def list_valid_metrics() -> list[str]:
    """Return the registered names."""
    return sorted(_metrics)


def check_metrics(names: Iterable[str]) -> None:
    """Raise `UnknownMetricError` for the first name that is not registered."""
    for name in names:
        if not is_valid_metric(name):
            known = ", ".join(list_valid_metrics()) or "none is registered"
            raise UnknownMetricError(f"metric {name!r} is not known; known: {known}")


def calc_metric(metric: str, **kwargs: Any) -> dict[str, Any]:
    """Run `metric` with `MetricOptions(**kwargs)`.

    Returns ``{"results": {...}, "metric", "total_time", "total_time_str", "num_gpus"}``; numbers in the results are
    those of rank 0 on every rank.
    """
    check_metrics([metric])
    opts = MetricOptions(**kwargs)
    started = time.time()
    results = dict(_metrics[metric](opts))
    seconds = time.time() - started
    if opts.num_gpus > 1:
        for key, value in results.items():
            if isinstance(value, (int, float)):
                number = torch.as_tensor(value, dtype=torch.float64, device=opts.device)
                processes.copy_from_first(number)
                results[key] = float(number.cpu())
    return {
        "results": results,
        "metric": metric,
        "total_time": seconds,
        "total_time_str": util.format_time(seconds),
        "num_gpus": opts.num_gpus,
    }


def report_metric(
    result: dict[str, Any],
    run_dir: str | os.PathLike[str] | None = None,
    snapshot_pkl: str | os.PathLike[str] | None = None,
    extra: dict[str, Any] | None = None,
) -> str:
    """Append a result as one JSON line to ``metric-<name>.jsonl`` in `run_dir` and return the line.

    `snapshot_pkl`, the evaluated file, is written relative to the run; `extra` fields (a link spec) are appended.
    """
    snapshot = None if snapshot_pkl is None else os.fspath(snapshot_pkl)
    if snapshot and run_dir is not None:
        snapshot = os.path.relpath(snapshot, run_dir)
    line = strict_json.dumps(dict(result, snapshot_pkl=snapshot, timestamp=time.time(), **(extra or {})))
    if run_dir is not None and Path(run_dir).is_dir():
        append_line(Path(run_dir) / f"metric-{result['metric']}.jsonl", line)
    return line
