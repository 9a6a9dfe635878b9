"""Training and measuring the rows of the ablation: child processes that are stopped and gone on with at any time."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_loops.formats.atomic import write_json
from training_loops.formats.lock import is_unused
from training_loops.training_loop import OPTIONS_FILE

from ..errors import Interrupted, LinkGANError
from ..metrics.record import versions
from ..runs import LINKGAN, check_children, has_seen, interrupt, kimg_of, snapshot_of, start, train_command
from ..segmentation import named
from .rows import UNLINKED, Row

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Settings:
    """What all runs of an ablation share.

    Attributes:
        data: zip of images.
        kimg: thousand images that each run sees.
        links: the links of most rows.
        train: further options of `linkgan train`. pairs, quality_images: how much is measured.
    """

    data: Path
    kimg: float
    links: tuple[str, ...]
    train: tuple[str, ...] = ()
    pairs: int = 1000
    quality_images: int = 5000

    def claim(self, out: Path) -> None:
        """Note in `out` whose ablation it holds.

        Raises:
            LinkGANError: it holds one of other settings, or other files.
        """
        path = out / "settings.json"
        mine = {"data": str(self.data), "kimg": self.kimg, "links": list(self.links), "train": list(self.train)}
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found != mine:
                raise LinkGANError(f"{out} holds an ablation with {found}, not {mine}; choose another --out")
            return
        if not is_unused(out):
            raise LinkGANError(f"{out} is not empty and holds no ablation; choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, mine)


@dataclass(frozen=True)
class Job:
    """One row with one seed: a folder, and the commands that are still to be run in it.

    Attributes:
        needs: jobs whose networks this one starts from or is measured beside.
    """

    row: Row
    seed: int
    out: Path
    settings: Settings
    needs: tuple[Job, ...] = ()

    @property
    def name(self) -> str:
        return f"row {self.row.name} with seed {self.seed}"

    @property
    def run_dir(self) -> Path:
        return self.out / self.row.name / f"seed-{self.seed}"

    @property
    def log(self) -> Path:
        return self.run_dir.with_name(f"{self.run_dir.name}.log")

    @property
    def trained(self) -> bool:
        return has_seen(self.run_dir, self.settings.kimg)

    def arguments(self) -> list[str]:
        """Return the options of `linkgan train` of a new run, all but its folder."""
        settings = self.settings
        resume = [str(snapshot_of(job.run_dir)) for job in self.needs if job.row.name == self.row.resume]
        return [
            *("--data", str(settings.data), "--seed", str(self.seed), "--kimg", f"{settings.kimg:g}"),
            *("--snap", "10", "--threads", "1", *self.row.arguments()),
            *(part for snapshot in resume for part in ("--resume", snapshot)),
            *named.arguments(),
            *settings.train,
        ]

    def figures(self) -> dict[str, Any] | None:
        """Return what `linkgan metrics` found, None before it did."""
        try:
            lines = self._figures_file.read_text(encoding="utf-8").splitlines()
            found: dict[str, Any] = json.loads(lines[-1])
        except (OSError, ValueError, IndexError):
            return None
        return found

    @property
    def _figures_file(self) -> Path:
        return self.run_dir / f"figures-{self.settings.pairs}-{self.settings.quality_images}.jsonl"

    def next_command(self) -> list[str] | None:
        """Return the command that brings this run on, None when all is done."""
        if not self.trained:
            return train_command(self.run_dir, self.arguments())
        if self.figures() is None:
            return self._metrics_command()
        return None

    def _metrics_command(self) -> list[str]:
        settings = self.settings
        # An unlinked network's locality depends on the axes and regions, so rows with their own need their own.
        beside = [job for job in self.needs if job.row.name == UNLINKED and job.row.links != self.row.links]
        return [
            *(*LINKGAN, "metrics", str(snapshot_of(self.run_dir)), "--data", str(settings.data), "--json"),
            *("--pairs", str(settings.pairs), "--quality-images", str(settings.quality_images)),
            *(part for job in beside for part in ("--baseline", str(snapshot_of(job.run_dir)))),
            *("--out", str(self._figures_file)),
            *named.arguments(),
        ]

    def prepare(self) -> None:
        """Check that the folder is this job's.

        Raises:
            LinkGANError: it holds a run of other switches.
        """
        options_file = self.run_dir / OPTIONS_FILE
        if not options_file.exists():
            return
        found = json.loads(options_file.read_text(encoding="utf-8"))["loss_kwargs"]["recipe"]
        mine = self.row.full_recipe().to_json()
        unlinked = found.get("weight") == mine["weight"] == 0  # then no other switch has any effect
        if found != mine and not unlinked:
            other = [name for name in {**found, **mine} if found.get(name) != mine.get(name)]
            raise LinkGANError(
                f"{self.run_dir} was trained with another {', '.join(other)} than row {self.row.name} has now; "
                "remove it, or choose another --out"
            )

    def finish(self) -> None:
        """Note, once, the versions that the figures depend on."""
        if not (self.run_dir / "versions.json").exists():
            write_json(self.run_dir / "versions.json", versions())

    def versions(self) -> dict[str, str]:
        """Return the versions noted by `finish`."""
        found: dict[str, str] = json.loads((self.run_dir / "versions.json").read_text(encoding="utf-8"))
        return found


def plan(rows: Sequence[Row], seeds: Sequence[int], out: Path, settings: Settings) -> list[Job]:
    """Return the jobs, all rows of a seed before the next seed; `rows` name what they need before themselves."""
    jobs: list[Job] = []
    for seed in seeds:
        made: dict[str, Job] = {}
        for row in rows:
            foreign = [UNLINKED] if row.links != settings.links else []
            needs = dict.fromkeys([*([row.resume] if row.resume else []), *foreign])
            made[row.name] = Job(row, seed, out, settings, tuple(made[name] for name in needs))
        jobs += made.values()
    return jobs


def run_jobs(jobs: Sequence[Job], slots: int, progress: Callable[[int, int], object]) -> None:
    """Bring all jobs to their end, `slots` child processes at a time.

    Args:
        progress: called now and then with the number of images seen by all runs so far, and of finished jobs.
    Raises:
        Interrupted: after Ctrl-C. LinkGANError: a child failed; the others were stopped so that they can go on.
    """
    waiting = list(jobs)
    running: dict[Job, tuple[list[str], subprocess.Popen[bytes]]] = {}
    for job in jobs:
        job.prepare()
    seen = {job: kimg_of(job.run_dir) for job in jobs}
    try:
        while waiting or running:
            for job, (command, child) in list(running.items()):
                if child.poll() is None:
                    continue
                check_children({job.name: child}, {job.name: job.log}, "training or measuring")
                seen[job] = kimg_of(job.run_dir)
                del running[job]
                _advance(job, running, before=command)
            while len(running) < slots and (ready := _ready(waiting)) is not None:
                waiting.remove(ready)
                _advance(ready, running)
            seen |= {job: kimg_of(job.run_dir) for job in running}
            images = sum(min(kimg, job.settings.kimg) for job, kimg in seen.items())
            progress(round(1000 * images), len(jobs) - len(waiting) - len(running))
            if running:
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        raise Interrupted from None
    finally:
        interrupt(child for _, child in running.values())


def _advance(job: Job, running: dict[Job, Any], before: list[str] | None = None) -> None:
    """Start a job's next command, or finish it."""
    command = job.next_command()
    if command is None:
        job.finish()
        return
    if before is not None and command[len(LINKGAN)] == before[len(LINKGAN)]:
        raise LinkGANError(f"{job.name} ended without having done its work; see {job.log}")
    running[job] = (command, start(command, job.log))


def _ready(waiting: Sequence[Job]) -> Job | None:
    """Return the first job that has all that it needs."""
    return next((job for job in waiting if all(need.trained for need in job.needs)), None)
