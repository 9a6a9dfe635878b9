"""The protocol of a study: which snapshots are measured by which commands, their mean, and seeds and kinds by data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from linkgan_plugin.bench import figures, settings
from linkgan_plugin.bench.ablation import Job, plan
from linkgan_plugin.bench.rows import choose_rows
from linkgan_plugin.bench.settings import Settings, default_seeds
from training_loops.data.face_files import write_faces
from training_loops.formats.folder import write_dataset

LINKS = ("eyes=16@eyes",)
KIMG = 80.0


def trained(job: Job, snapshots: range) -> None:
    """Leave what a finished run leaves: options, statistics and snapshots."""
    job.run_dir.mkdir(parents=True)
    stats = {"Progress/kimg": {"num": 1, "mean": KIMG}}
    (job.run_dir / "stats.jsonl").write_text(json.dumps(stats) + "\n")
    recipe = {"loss_kwargs": {"recipe": job.row.full_recipe().to_json()}}
    (job.run_dir / "training_options.json").write_text(json.dumps(recipe))
    for kimg in snapshots:
        (job.run_dir / f"network-snapshot-{kimg:06d}.pt").touch()


def measured(job: Job, quality, edited=None) -> None:
    """Write the lines of all measurements: `quality` and `edited` are functions of kimg."""
    for measurement in job.measurements():
        kimg = int(measurement.snapshot.stem[-6:])
        found = {"quality": quality(kimg)} | ({"edited_quality:eyes": edited(kimg)} if edited else {})
        results = found | ({"eyes/locality": kimg / 100} if measurement.last else {})
        line = {"results": results, "results_stderr": {}, "pairs": 3, "link_spec": {}, "quality_kind": "planted"}
        line |= {"baseline": {"edited_quality:eyes": 10 * kimg, "eyes/locality": 0.1}} if measurement.baseline else {}
        measurement.file.parent.mkdir(exist_ok=True)
        measurement.file.write_text(json.dumps(line) + "\n")
    job.finish()


def jobs_of(out: Path, rows: list[str], **how) -> list[Job]:
    return plan(choose_rows(rows, LINKS), [0], out, Settings(Path("none.zip"), KIMG, LINKS, pairs=3, **how))


def value(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_training_keeps_about_five_snapshots_in_its_last_quarter(tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path, ["unlinked"])
    arguments = job.arguments()
    every = float(value(arguments, "--tick")) * int(value(arguments, "--snap"))
    assert KIMG / 4 / every == pytest.approx(5)
    assert arguments.index("--tick") < len(arguments) - len(job.settings.train), "else -- TRAIN OPTIONS do not win"


def test_a_runs_quality_is_the_mean_over_five_snapshots_and_its_pairs_are_of_the_last(tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path, ["unlinked"])
    trained(job, range(1, 81))
    measured(job, quality=lambda kimg: kimg**2)
    (run,) = figures.collect([job])["runs"]
    assert run["quality"] == pytest.approx(np.mean([kimg**2 for kimg in (60, 65, 70, 75, 80)]))
    assert [entry["kimg"] for entry in run["quality_snapshots"]] == [60, 65, 70, 75, 80]
    assert run["metrics"] == {"eyes": {"locality": 0.8}}


def test_each_snapshot_is_measured_once_and_only_the_last_has_pairs(tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path, ["unlinked"], fit=True)
    trained(job, range(1, 81))
    seen = []
    while (command := job.next_command()) is not None:
        seen.append((Path(command[4]).stem[-2:], value(command, "--pairs"), "--fit" in command))
        file = Path(value(command, "--out"))
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}\n")
    assert seen == [("80", "3", True), *((kimg, "0", False) for kimg in ("75", "70", "65", "60"))]
    (other,) = jobs_of(tmp_path, ["unlinked"], quality_images=7)
    assert value(other.next_command(), "--quality-images") == "7"  # other figures are not mistaken for these
    (none,) = jobs_of(tmp_path, ["unlinked"], quality_images=0)
    assert [m.last for m in none.measurements()] == [True]


def test_a_row_with_its_own_axes_is_compared_with_the_baseline_on_these(tmp_path: Path) -> None:
    base, row = jobs_of(tmp_path, ["axes-4"], edited_quality=True)
    for job in (base, row):
        trained(job, range(1, 81))
    assert all(measurement.baseline is None for measurement in base.measurements())
    beside = [(m.snapshot.name, m.baseline.name, m.baseline.parent) for m in row.measurements()]
    assert all(own == other and folder == base.run_dir for own, other, folder in beside)
    measured(base, lambda kimg: 2.0, lambda kimg: 3.0)
    measured(row, lambda kimg: 2.0, lambda kimg: float(kimg))
    result = figures.collect([base, row])
    assert result["rows"][1]["verdicts"]["edited quality eyes"]["ratio"] == pytest.approx(0.1)
    assert result["rows"][1]["unlinked_metrics"]["eyes"]["locality"]["mean"] == 0.1


def test_a_mean_has_its_standard_error_and_small_figures_keep_their_digits() -> None:
    spread = figures.Spread.of([1.0, None, 2.0, 3.0, 4.0])
    assert (spread.mean, spread.stderr) == (2.5, pytest.approx((5 / 3 / 4) ** 0.5))
    assert str(spread) == "2.500 ± 0.645"
    assert str(figures.Spread.of([0.002241])) == "0.00224"
    assert figures.Spread.of([None]) is None


def test_seeds_and_quality_kind_follow_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_faces(tmp_path / "faces.zip", 2, 8, seed=0)
    write_dataset(tmp_path / "photographs.zip", np.zeros((2, 8, 8, 3), dtype=np.uint8))
    faces, photographs = (Settings(tmp_path / f"{name}.zip", 1, LINKS) for name in ("faces", "photographs"))
    assert (faces.data_kind, photographs.data_kind) == ("faces", "photographs")
    assert default_seeds(None) == default_seeds(faces.data) == [0, 1, 2, 3, 4]
    assert default_seeds(photographs.data) == [0, 1, 2]
    monkeypatch.setattr(settings, "weights_path", lambda: Path("weights"))
    assert (faces.resolved_kind(), photographs.resolved_kind()) == ("attributes", "imagenet")
    monkeypatch.setattr(settings, "weights_path", lambda: None)
    assert photographs.resolved_kind() == "patches"
    assert Settings(photographs.data, 1, LINKS, quality_kind="kid").resolved_kind() == "kid"
