"""The cost of links on the embedded host: time of whole steps and peak memory, by number of links and resolution."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from training_loops.data.face_files import write_faces
from training_loops.data.head_files import write_heads
from training_loops.options import TrainingOptions
from training_loops.presets import build_options
from training_loops.request import WITH_CAMERAS, TrainingRequest
from training_loops.session import Session
from training_loops.training_loop import default_device, training_loop

from ..errors import LinkGANError
from ..hosts.options import turn_on
from ..links import LinkSpec
from ..recipes import Recipe
from .memory import PeakMemory
from .overhead import BLOCK, WARMUP, linked
from .ratio import Ratio, paired_ratio
from .tables import markdown

KINDS = ("without", "with")
_IMAGES = 256
_AXES = 4


class Stopped(Exception):
    """The run was stopped by Ctrl-C."""


@dataclass
class Meter:
    """Called after every optimizer step: times blocks of steps, and measures the memory of the last two blocks.

    Attributes:
        rounds: pairs of blocks that are timed.
        seconds: kind -> seconds of each block.
        peaks: kind -> bytes.
    """

    rounds: int
    device: torch.device
    progress: Callable[[], object]
    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    peaks: dict[str, int] = field(default_factory=dict)
    step: int = 0

    def __post_init__(self) -> None:
        self._memory = PeakMemory(self.device)
        self._started = self._now()

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run: warm-up, timed blocks, and a pair of blocks for memory."""
        return 2 * BLOCK * (WARMUP + self.rounds + 1)

    def __call__(self, cur_nimg: int, total_nimg: int) -> None:
        """Record the end of a step; the host's `progress_fn`."""
        kind = KINDS[linked(self.step)]
        self.step += 1
        if self.step % BLOCK == 0:
            self._end_block(kind, self.step // BLOCK)
            self._started = self._now()
        self.progress()

    def _end_block(self, kind: str, done: int) -> None:
        """Note the end of a block, the `done`-th."""
        if 2 * WARMUP < done <= 2 * (WARMUP + self.rounds):
            self.seconds[kind].append(self._now() - self._started)
        elif done > 2 * (WARMUP + self.rounds):
            self.peaks[kind] = self._memory.stop()
        if done >= 2 * (WARMUP + self.rounds) and self.step < self.steps:
            self._memory.start()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def boxes(count: int) -> list[str]:
    """Return links that tile the image in `count` boxes of four axes each, two columns; a single one is the upper half.

    Raises:
        LinkGANError: no link, or an odd number of them above 1.
    """
    if count < 1 or (count > 1 and count % 2):
        raise LinkGANError(f"{count} links do not tile an image in boxes; expected 1 or an even number")
    columns = min(count, 2)
    rows = max(count // columns, 2 // columns)
    return [
        f"part{i}={_AXES}@box({i % columns / columns:g},{i // columns / rows:.6g},"
        f"{(i % columns + 1) / columns:g},{(i // columns + 1) / rows:.6g})"
        for i in range(count)
    ]


@contextmanager
def procedural(cfg: str, resolutions: Sequence[int], images: int = _IMAGES) -> Iterator[list[Path]]:
    """Yield small data sets, one for each resolution: faces, or heads with cameras if `cfg` needs cameras."""
    with tempfile.TemporaryDirectory(prefix="linkgan-bench-") as folder:
        files = [Path(folder) / f"data{resolution}.zip" for resolution in resolutions]
        for path, resolution in zip(files, resolutions, strict=True):
            write = write_heads if cfg in WITH_CAMERAS else write_faces
            write(path, images, resolution, seed=0)
        yield files


def measure_cost(
    specs: Sequence[Sequence[str]],
    data: Sequence[Path],
    recipe: Recipe,
    *,
    cfg: str = "tiny",
    space: str | None = None,
    allow_overlap: bool = False,
    rounds: int = 8,
    device: str | None = None,
    threads: int | None = 1,
    progress: Callable[[], object] = lambda: None,
    **overrides: Any,
) -> list[dict[str, Any]]:
    """Train briefly for every spec on all data; blocks with and without links alternate.

    Args:
        specs: for each row, ``NAME=AXES@REGION`` of the links that are trained together.
        data: data sets, each of one resolution.
        recipe: how links are trained; they take part from the first step, whatever its `start`.
        cfg: the embedded host's preset.
        overrides: attributes of `TrainingRequest`.
        rounds: pairs of blocks of `BLOCK` steps that are timed.
        progress: called after every step.
    Returns:
        One row each: links (how many), regions, resolution, time_ratio (median over pairs of blocks) with
        time_ratio_low and _high (quartiles), memory_ratio, and the measurements they come from.
    Raises:
        LinkGANError: a malformed spec.
        Stopped: after Ctrl-C.
    """
    recipe, runs = dataclasses.replace(recipe, start=0.0), []
    for path in data:
        for links in specs:
            request = TrainingRequest(cfg, path, threads=threads, snap=10**6, tick=10**6, **overrides)
            options = build_options(request).to_json()
            spec = turn_on(
                options, loss="linkgan_overhead", links=links, recipe=recipe, space=space, allow_overlap=allow_overlap
            )
            runs.append((options, spec))
    rows = []
    for options, spec in runs:
        meter = Meter(rounds, torch.device(device) if device else default_device(), progress)
        with tempfile.TemporaryDirectory(prefix="linkgan-bench-") as folder:
            _train(options, Path(folder) / "run", meter)
        rows.append(_row(spec, options["training_set_kwargs"]["resolution"], meter))
    return rows


def _train(options: dict[str, Any], run_dir: Path, meter: Meter) -> None:
    options["total_kimg"] = meter.steps * options["batch_size"] / 1000
    session = Session(device=meter.device, verbose=False, tensorboard=False, progress_fn=meter)
    result = training_loop(TrainingOptions.from_json(options), run_dir, session)
    if not result.finished:
        raise Stopped


def _row(spec: LinkSpec, resolution: int, meter: Meter) -> dict[str, Any]:
    time_ratio: Ratio = paired_ratio(meter.seconds["with"], meter.seconds["without"])
    return {
        "links": len(spec.names),
        "regions": [str(link.region) for link in spec.links],
        "resolution": resolution,
        "time_ratio": time_ratio.value,
        "time_ratio_low": time_ratio.low,
        "time_ratio_high": time_ratio.high,
        "memory_ratio": meter.peaks["with"] / meter.peaks["without"],
        "rounds": time_ratio.rounds,
        "block_steps": BLOCK,
        **{f"step_seconds_{kind}": [s / BLOCK for s in meter.seconds[kind]] for kind in KINDS},
        **{f"peak_bytes_{kind}": meter.peaks[kind] for kind in KINDS},
    }


def total_steps(runs: int, rounds: int) -> int:
    """Return how many steps `measure_cost` takes for a number of specs times data sets."""
    return runs * Meter(rounds, torch.device("cpu"), lambda: None).steps


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    header = ["links", "resolution", "time with / without", "middle half", "memory with / without", "ms per step"]
    cells = [
        [
            str(row["links"]),
            str(row["resolution"]),
            f"{row['time_ratio']:.3f}",
            f"{row['time_ratio_low']:.3f} - {row['time_ratio_high']:.3f}",
            f"{row['memory_ratio']:.3f}",
            f"{1e3 * sum(row['step_seconds_without']) / len(row['step_seconds_without']):.1f}",
        ]
        for row in rows
    ]
    return markdown(header, cells)
