"""The logs of a run: console and log.txt, stats.jsonl, TensorBoard events."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch

from training_loops import training_stats, util
from training_loops.formats import strict_json
from training_loops.formats.atomic import append_line, write_bytes
from training_loops.state import Progress


class RunLog:
    """The log files of a run; only rank 0 writes, the other ranks take part in collecting statistics.

    With `continued`, log entries after `cur_nimg` images (steps that will be repeated) are dropped.
    """

    def __init__(
        self, run_dir: Path, *, rank: int, verbose: bool, tensorboard: bool, continued: bool, cur_nimg: int
    ) -> None:
        self.run_dir = run_dir
        self.rank = rank
        self.verbose = verbose and rank == 0
        self.collector = training_stats.Collector()
        self.events: Any = None
        self.metrics: dict[str, float] = {}
        if rank != 0:
            return
        stats = run_dir / "stats.jsonl"
        write_bytes(stats, _lines_until(stats, cur_nimg, _images_of_statistics) if continued else b"")
        for path in run_dir.glob("metric-*.jsonl") if continued else ():
            write_bytes(path, _lines_until(path, cur_nimg, _images_of_metric))
        if not continued:
            (run_dir / "log.txt").unlink(missing_ok=True)
        if tensorboard:
            self.events = self._open_events(purge_step=cur_nimg // 1000 + 1 if continued else None)

    def _open_events(self, purge_step: int | None) -> Any:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            self.say(f"No TensorBoard events: {error}")
            return None
        return SummaryWriter(str(self.run_dir), purge_step=purge_step)

    def say(self, text: str) -> None:
        """Print a line and append it to log.txt."""
        if self.rank != 0:
            return
        if self.verbose:
            print(text, flush=True)
        append_line(self.run_dir / "log.txt", text)

    def report_timing(self, name: str, seconds: float) -> None:
        """Report the duration of a phase, in milliseconds as the hosts do."""
        training_stats.report0(f"Timing/{name}", seconds * 1e3)

    def write_stats(self, *, cur_nimg: int, elapsed: float) -> None:
        """Append the averages since the last call to stats.jsonl and to the TensorBoard events."""
        self.collector.update()
        # Earlier runs in this process may have reported other names.
        stats = {name: value for name, value in self.collector.as_dict().items() if value["num"] > 0}
        if self.rank != 0:
            return
        append_line(self.run_dir / "stats.jsonl", strict_json.dumps(dict(stats, timestamp=time.time())))
        if self.events is None:
            return
        for name, value in stats.items():
            self.events.add_scalar(name, value["mean"], global_step=cur_nimg // 1000, walltime=elapsed)
        for name, number in self.metrics.items():
            self.events.add_scalar(f"Metrics/{name}", number, global_step=cur_nimg // 1000, walltime=elapsed)
        self.events.flush()

    def close(self) -> None:
        """Close the events file."""
        if self.events is not None:
            self.events.close()


class TickClock:
    """Tells when a tick is due and how long it took; a resumed run continues the elapsed time."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._started = time.time() - progress.elapsed
        self._tick_started = time.time()
        self._tick_nimg = progress.cur_nimg
        self._ended = self._tick_started

    def due(self, tick_nimg: float) -> bool:
        """Return whether a tick is due: after the first step, then every `tick_nimg` images."""
        return self.progress.tick == 0 or self.progress.cur_nimg >= self._tick_nimg + tick_nimg

    def end_tick(self, device: torch.device) -> str:
        """Stop the clock and return the console line. Every number in it is also reported as a statistic."""
        maintenance = self._tick_started - self._ended
        self._ended = time.time()
        self.progress.elapsed = self._ended - self._started
        seconds = self._ended - self._tick_started
        images = self.progress.cur_nimg - self._tick_nimg
        return _tick_line(self.progress, seconds, images, maintenance, device)

    def start_tick(self) -> None:
        """Start the next tick, after the maintenance of the last one."""
        self.progress.tick += 1
        self._tick_started = time.time()
        self._tick_nimg = self.progress.cur_nimg


def _tick_line(progress: Progress, seconds: float, images: int, maintenance: float, device: torch.device) -> str:
    report = training_stats.report0
    elapsed = progress.elapsed
    peak = [0.0, 0.0]
    if device.type == "cuda":
        peak = [torch.cuda.max_memory_allocated(device) / 2**30, torch.cuda.max_memory_reserved(device) / 2**30]
        torch.cuda.reset_peak_memory_stats(device)
    memory = psutil.Process(os.getpid()).memory_info().rss / 2**30
    fields = [
        f"tick {report('Progress/tick', progress.tick):<5d}",
        f"kimg {report('Progress/kimg', progress.cur_nimg / 1e3):<8.1f}",
        f"time {util.format_time(report('Timing/total_sec', elapsed)):<12s}",
        f"sec/tick {report('Timing/sec_per_tick', seconds):<7.1f}",
        f"sec/kimg {report('Timing/sec_per_kimg', seconds / max(images, 1) * 1e3):<7.2f}",
        f"maintenance {report('Timing/maintenance_sec', maintenance):<6.1f}",
        f"cpumem {report('Resources/cpu_mem_gb', memory):<6.2f}",
        f"gpumem {report('Resources/peak_gpu_mem_gb', peak[0]):<6.2f}",
        f"reserved {report('Resources/peak_gpu_mem_reserved_gb', peak[1]):<6.2f}",
    ]
    report("Progress/augment", 0.0)
    report("Timing/total_hours", elapsed / 3600)
    report("Timing/total_days", elapsed / 86400)
    return " ".join(fields).rstrip()


def _lines_until(path: Path, cur_nimg: int, images_of: Callable[[dict[str, Any]], float]) -> bytes:
    """Return the valid lines of a log up to `cur_nimg` images."""
    kept = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            images = images_of(json.loads(line))
        except (ValueError, KeyError, TypeError):
            continue
        if math.isfinite(images) and images <= cur_nimg + 0.5:
            kept.append(line + b"\n")
    return b"".join(kept)


def _images_of_statistics(line: dict[str, Any]) -> float:
    return line["Progress/kimg"]["mean"] * 1e3


def _images_of_metric(line: dict[str, Any]) -> float:
    """Return the images of the snapshot by its name, in whole kimg; 0 for metrics of other files, which are kept."""
    kimg = re.fullmatch(r"network-snapshot-(\d+)\.pt", line["snapshot_pkl"] or "")
    return float(kimg[1]) * 1e3 if kimg else 0.0
