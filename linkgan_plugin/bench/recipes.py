"""Studies: rows trained, measured and compared; `linkgan bench recipes` and `linkgan bench paper`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from training_loops.data.face_files import write_faces
from training_loops.formats.atomic import write_bytes, write_json
from training_loops.formats.lock import locked

from ..metrics.record import versions
from . import recipe_report
from .ablation import plan
from .figures import collect
from .recipe_report import RECIPES, Report
from .rows import Row
from .scheduler import Scheduler
from .settings import Settings

FACES = 12_000


def default_data(out: Path) -> Path:
    """Return the path of the procedural faces that a study in `out` writes for itself."""
    return out / "faces.zip"


def prepare(out: Path, settings: Settings) -> None:
    """Claim the folder of a study, and write its procedural faces if it is to make its own data.

    Raises:
        LinkGANError: `out` contains another study.
    """
    settings.claim(out)
    if settings.data == default_data(out) and not settings.data.exists():
        write_faces(settings.data, FACES, 32, seed=0, progress=True)


def run_study(
    rows: Sequence[Row],
    seeds: Sequence[int],
    out: Path,
    settings: Settings,
    *,
    jobs: int,
    command: str,
    report: Report = RECIPES,
    keep_going: bool = False,
) -> dict[str, Any]:
    """Train and measure every row with every seed in `out`, or resume that, and write the report.

    Writes NAME.json, NAME.md, NAME.html, curves/ROW.svg and sheets/ROW.png.

    Args:
        rows: each after those it needs.
        seeds: of every row.
        out: folder of the study.
        settings: what all runs share.
        jobs: child processes at a time.
        command: as typed, for the report.
        report: name, columns and further tables of the report.
        keep_going: after a run has failed, continue with the others; it stays in the tables as failed.
    Returns:
        The content of NAME.json.
    Raises:
        LinkGANError: `out` contains another study, or a run failed without `keep_going`.
        Interrupted: after Ctrl-C.
        LockedError: another process works in `out`.
    """
    with locked(out):
        prepare(out, settings)
        planned = plan(rows, seeds, out, settings)
        total = round(1000 * sum(job.kimg for job in planned))
        with tqdm(total=total, unit="img", unit_scale=True, smoothing=0.02) as bar:

            def show(images: int, finished: int) -> None:
                if bar.n == 0:
                    bar.initial = images  # images of an earlier call say nothing about the speed
                bar.set_description(f"{finished}/{len(planned)} runs", refresh=False)
                bar.update(images - bar.n)

            failures = Scheduler(planned, jobs, keep_going=keep_going).run(show)
        result = {"command": command, **collect(planned, failures), "versions": versions()}
        result["claims"] = report.claims(result)
        write_json(out / f"{report.name}.json", result)
        write_bytes(out / f"{report.name}.md", recipe_report.text(result, report).encode())
        recipe_report.write_images(out, rows, planned)
        recipe_report.write_page(out, rows, result, report)
        return result
