"""What links buy and what they cost in quality: the ablation's rows, trained, measured, and put side by side."""

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
from .ablation import Settings, plan, run_jobs
from .figures import collect
from .rows import Row

FACES = 12_000


def default_data(out: Path) -> Path:
    """Return where the procedural faces lie that an ablation in `out` makes for itself."""
    return out / "faces.zip"


def run_recipes(
    rows: Sequence[Row], seeds: Sequence[int], out: Path, settings: Settings, *, jobs: int, command: str
) -> dict[str, Any]:
    """Train and measure every row with every seed in `out`, or go on with that, and write what came of it.

    Writes recipes.json, recipes.md, recipes.html, curves/ROW.svg and sheets/ROW.png.

    Returns:
        The content of recipes.json.
    Raises:
        LinkGANError: `out` holds another ablation, or a run failed. Interrupted: after Ctrl-C.
        LockedError: another process works there.
    """
    with locked(out):
        return _run(rows, seeds, out, settings, jobs, command)


def _run(
    rows: Sequence[Row], seeds: Sequence[int], out: Path, settings: Settings, jobs: int, command: str
) -> dict[str, Any]:
    settings.claim(out)
    if settings.data == default_data(out) and not settings.data.exists():
        write_faces(settings.data, FACES, 32, seed=0, progress=True)
    planned = plan(rows, seeds, out, settings)
    total = round(1000 * settings.kimg) * len(planned)
    with tqdm(total=total, unit="img", unit_scale=True, smoothing=0.02) as bar:

        def show(images: int, finished: int) -> None:
            if bar.n == 0:
                bar.initial = images  # what an earlier call did tells nothing about the speed
            bar.set_description(f"{finished}/{len(planned)} runs", refresh=False)
            bar.update(images - bar.n)

        run_jobs(planned, jobs, show)
    result = {"command": command, **collect(planned), "versions": versions()}
    write_json(out / "recipes.json", result)
    write_bytes(out / "recipes.md", recipe_report.text(result).encode())
    recipe_report.write_images(out, rows, planned)
    recipe_report.write_page(out, rows, result)
    return result
