"""The runs of a study: one row with one seed each, and the commands that train and measure it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_loops.formats.atomic import write_json
from training_loops.training_loop import OPTIONS_FILE

from ..errors import LinkGANError
from ..metrics.record import versions
from ..runs import has_seen, kimg_of, snapshot_of, train_command
from ..segmentation import named
from .measuring import Measurement, measured_snapshots, snapshots_of
from .rows import Row
from .settings import Settings


@dataclass(frozen=True)
class Job:
    """One row with one seed: its folder, and the commands that remain to be run.

    Attributes:
        row: the row.
        seed: seed of the training.
        out: folder of the study.
        settings: of the study.
        needs: the jobs whose networks it starts from, measures, or is compared with on its own axes.
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
    def folder(self) -> Path:
        """The folder of its figures."""
        return self.out / self.row.name / f"seed-{self.seed}"

    @property
    def trainer(self) -> Job:
        """The job that trains its network: usually itself."""
        return self if self.row.network is None else self._need(self.row.network)

    @property
    def run_dir(self) -> Path:
        """The folder of its network."""
        return self.trainer.folder

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def kimg(self) -> float:
        """Thousand images that its network sees; 0 for the network of another row."""
        if self.row.network is not None:
            return 0.0
        return self.settings.kimg if self.row.kimg is None else self.row.kimg

    @property
    def kimg_seen(self) -> float:
        """Thousand images that it has trained on."""
        return min(kimg_of(self.run_dir), self.kimg) if self.kimg else 0.0

    @property
    def trained(self) -> bool:
        return has_seen(self.run_dir, self.trainer.kimg)

    def _need(self, name: str) -> Job:
        return next(job for job in self.needs if job.row.name == name)

    def arguments(self) -> list[str]:
        """Return the options of `linkgan train` of a new run, without its folder."""
        settings = self.settings
        resume = [str(snapshot_of(self._need(self.row.resume).run_dir))] if self.row.resume else []
        return [
            *("--data", str(settings.data), "--seed", str(self.seed), "--kimg", f"{self.kimg:g}"),
            *settings.snapshot_arguments(self.kimg),
            *("--threads", "1", *self.row.arguments()),
            *(part for snapshot in resume for part in ("--resume", snapshot)),
            *named.arguments(),
            *settings.train,
        ]

    def snapshots(self) -> dict[Path, float]:
        """Return the network's snapshots -> thousand images seen."""
        return snapshots_of(self.run_dir)

    def measurements(self) -> list[Measurement]:
        """Return the measurements of a trained network, that of its last snapshot last."""
        settings, row = self.settings, self.row
        if self.trainer is not self and self.trainer.row.links == row.links:
            return self.trainer.measurements()  # the same axes and regions of the same network
        quality = settings.quality_images > 0 and row.network is None
        snapshots = measured_snapshots(self.run_dir)
        other = self._beside()
        beside = measured_snapshots(other.run_dir) if other is not None else []
        found = []
        for back, snapshot in enumerate(reversed(snapshots)):
            last = back == 0
            if not last and not quality:
                break
            # The baseline's quality is known; what it has on other axes is not: metrics of pairs, and edited quality.
            compared = bool(beside) and (last or settings.edited_quality)
            baseline = beside[-1 - min(back, len(beside) - 1)] if compared else None
            links = row.links if row.network is not None else ()
            found.append(Measurement(snapshot, self.folder, settings, last, quality, links, baseline))
        return found[::-1]

    def _beside(self) -> Job | None:
        """Return the baseline's job if the row has other links than its baseline, else None."""
        if self.row.baseline == self.row.name:
            return None
        found = next((job for job in self.needs if job.row.name == self.row.baseline), None)
        return found if found is not None and found.row.links != self.row.links else None

    def figures(self) -> dict[Path, dict[str, Any]] | None:
        """Return snapshot -> what `linkgan metrics` wrote, the last snapshot last; None before all are measured."""
        if not self.trained:
            return None
        lines = {measurement.snapshot: measurement.line() for measurement in self.measurements()}
        found = {snapshot: line for snapshot, line in lines.items() if line is not None}
        return found if len(found) == len(lines) else None

    def next_command(self) -> list[str] | None:
        """Return the next command of this run, None when all is done."""
        if not self.trained:
            return train_command(self.run_dir, self.arguments())
        missing = [measurement for measurement in self.measurements() if measurement.line() is None]
        return missing[-1].command() if missing else None

    def prepare(self) -> None:
        """Check that the folder is this job's.

        Raises:
            LinkGANError: it contains a run with other switches.
        """
        options_file = self.folder / OPTIONS_FILE
        if not options_file.exists():
            return
        found = json.loads(options_file.read_text(encoding="utf-8"))["loss_kwargs"]["recipe"]
        mine = self.row.full_recipe().to_json()
        unlinked = found.get("weight") == mine["weight"] == 0  # then no other switch has any effect
        if found != mine and not unlinked:
            other = [name for name in {**found, **mine} if found.get(name) != mine.get(name)]
            raise LinkGANError(
                f"{self.folder} was trained with another {', '.join(other)} than row {self.row.name} has now; "
                "remove it, or choose another --out"
            )

    def finish(self) -> None:
        """Record, once, the versions that the figures depend on."""
        if not self._versions_file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self._versions_file, versions())

    def versions(self) -> dict[str, str]:
        """Return the versions recorded by `finish`."""
        found: dict[str, str] = json.loads(self._versions_file.read_text(encoding="utf-8"))
        return found

    @property
    def _versions_file(self) -> Path:
        return self.folder / "versions.json"


def plan(rows: Sequence[Row], seeds: Sequence[int], out: Path, settings: Settings) -> list[Job]:
    """Return the jobs, all rows of a seed before the next seed; `rows` has each row after the rows it needs."""
    baselines = {row.name: row for row in rows}
    jobs: list[Job] = []
    for seed in seeds:
        made: dict[str, Job] = {}
        for row in rows:
            foreign = row.links != baselines[row.baseline].links
            names = [row.resume, row.network, row.baseline if foreign else None]
            needs = tuple(made[name] for name in dict.fromkeys(names) if name is not None)
            made[row.name] = Job(row, seed, out, settings, needs)
        jobs += made.values()
    return jobs
