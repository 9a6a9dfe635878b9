"""Jobs of a study: in order, as many at a time as requested, and resumed from what is stored."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from linkgan_plugin.bench import scheduler
from linkgan_plugin.bench.ablation import Job, plan
from linkgan_plugin.bench.rows import choose_rows
from linkgan_plugin.bench.scheduler import Scheduler
from linkgan_plugin.bench.settings import Settings
from linkgan_plugin.errors import Interrupted, LinkGANError

LINKS = ("eyes=16@eyes",)
# Stands for `linkgan train` and `linkgan metrics`: notes itself and leaves what they leave.
CHILD = """
import json, pathlib, sys
kind, folder, kimg, figures = sys.argv[2], pathlib.Path(sys.argv[3]), float(sys.argv[4]), pathlib.Path(sys.argv[5])
with open(folder.parents[1] / "order", "a") as file: file.write(f"{kind} {folder.parent.name}\\n")
folder.mkdir(parents=True, exist_ok=True)
if kind == "train":
    stats = {"Progress/kimg": {"num": 1, "mean": kimg}}
    (folder / "stats.jsonl").write_text(json.dumps(stats) + "\\n")
    (folder / "network-snapshot-000001.pt").touch()
elif kind == "metrics":
    figures.parent.mkdir(exist_ok=True)
    figures.write_text("{}\\n")
else:
    print("the disk is full")
    raise SystemExit(3)
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Four jobs whose children only note that they ran."""
    monkeypatch.setattr(scheduler, "_POLL_SECONDS", 0.02)
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    settings = Settings(Path("faces.zip"), 2.0, LINKS, pairs=3, quality_images=5)
    jobs = plan(choose_rows(["paper-from-converged", "default"], LINKS), [0], tmp_path, settings)

    def stand_in(self: Job) -> list[str] | None:
        kind = "metrics" if self.trained else "train"
        files = [measurement.file for measurement in self.measurements()] if self.trained else ["-"]
        if self.figures() is not None:
            return None
        # Kind is where `linkgan train` has it: after three words.
        return [sys.executable, str(script), "-", kind, str(self.run_dir), "2.0", str(files[0])]

    monkeypatch.setattr(Job, "next_command", stand_in)
    return jobs


def run(jobs: list[Job], slots: int, progress, **how: bool) -> dict[Job, str]:
    return Scheduler(jobs, slots, **how).run(progress)


def test_every_job_is_trained_measured_and_not_repeated(jobs, tmp_path):
    assert [job.row.name for job in jobs] == ["unlinked", "unlinked-continued", "paper-from-converged", "default"]
    seen = []
    run(jobs, 1, lambda images, finished: seen.append((images, finished)))
    order = (tmp_path / "order").read_text().split("\n")[:-1]
    assert sorted(order) == sorted(f"{kind} {job.row.name}" for kind in ("train", "metrics") for job in jobs)
    assert order[:3] == ["train unlinked", "metrics unlinked", "train unlinked-continued"]
    assert seen[-1] == (8000, 4)
    assert all(job.versions()["torch"] for job in jobs)
    run(jobs, 2, lambda images, finished: None)
    assert (tmp_path / "order").read_text().split("\n")[:-1] == order


def test_a_resumed_row_waits_for_the_network_it_starts_from(jobs, tmp_path):
    run(jobs, 4, lambda images, finished: None)
    order = (tmp_path / "order").read_text().split("\n")[:-1]
    for name in ("unlinked-continued", "paper-from-converged"):
        assert order.index("train unlinked") < order.index(f"train {name}")


def test_ctrl_c_stops_all_children(jobs):
    def ctrl_c(images: int, finished: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        run(jobs, 2, ctrl_c)


def test_a_failing_child_ends_all_with_its_message(jobs, monkeypatch):
    healthy = Job.next_command

    def failing(self: Job) -> list[str] | None:
        command = healthy(self)
        return [*command[:3], "fail", *command[4:]] if command and command[3] == "metrics" else command

    monkeypatch.setattr(Job, "next_command", failing)
    with pytest.raises(LinkGANError, match=r"row unlinked with seed 0 failed with status 3:\nthe disk is full"):
        run(jobs, 1, lambda images, finished: None)


def test_a_failed_run_stays_and_takes_along_only_what_needs_its_network(jobs, monkeypatch):
    healthy = Job.next_command

    def failing(self: Job) -> list[str] | None:
        command = healthy(self)
        broken = self.row.name == "unlinked-continued" and command is not None and command[3] == "train"
        return [*command[:3], "fail", *command[4:]] if broken else command

    monkeypatch.setattr(Job, "next_command", failing)
    jobs[2] = dataclasses.replace(jobs[2], needs=(*jobs[2].needs, jobs[1]))
    failures = run(jobs, 1, lambda images, finished: None, keep_going=True)
    assert {job.row.name for job in failures} == {"unlinked-continued", "paper-from-converged"}
    assert failures[jobs[1]].endswith("the disk is full")
    assert failures[jobs[2]] == "row unlinked-continued with seed 0, which it needs, failed"
    assert jobs[3].figures() is not None


def test_a_child_that_does_nothing_is_not_started_for_ever(jobs, monkeypatch):
    idle = [sys.executable, "-c", "pass", "train"]
    monkeypatch.setattr(Job, "next_command", lambda self: idle)
    with pytest.raises(LinkGANError, match="without having done its work"):
        run(jobs, 1, lambda images, finished: None)


def test_another_ablation_and_other_files_are_refused(tmp_path):
    settings = Settings(Path("faces.zip"), 2.0, LINKS)
    settings.claim(tmp_path / "out")
    settings.claim(tmp_path / "out")
    with pytest.raises(LinkGANError, match="choose another --out"):
        Settings(Path("faces.zip"), 3.0, LINKS).claim(tmp_path / "out")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    with pytest.raises(LinkGANError, match="contains no study"):
        settings.claim(tmp_path / "thesis")


def test_a_run_of_other_switches_is_refused(jobs):
    job = jobs[-1]
    job.run_dir.mkdir(parents=True)
    recipe = job.row.full_recipe().to_json()
    options = {"loss_kwargs": {"recipe": {**recipe, "interval": 99}}}
    (job.run_dir / "training_options.json").write_text(json.dumps(options))
    with pytest.raises(LinkGANError, match="trained with another interval than row default"):
        job.prepare()


def test_an_unlinked_run_stays_good_when_recipes_change(jobs):
    job = jobs[0]
    job.run_dir.mkdir(parents=True)
    recipe = {**job.row.full_recipe().to_json(), "interval": 99}
    (job.run_dir / "training_options.json").write_text(json.dumps({"loss_kwargs": {"recipe": recipe}}))
    job.prepare()
    assert job.run_dir.exists()
