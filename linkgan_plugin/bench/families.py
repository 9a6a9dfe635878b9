"""Every family of generators, trained for equal CPU time without links and with them: `linkgan bench families`."""

from __future__ import annotations

import json
import re
import resource
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training_loops.formats.atomic import write_json
from training_loops.presets import PRESETS
from training_loops.request import WITH_CAMERAS

from ..errors import Interrupted, LinkGANError
from ..generators import LinkedGenerator
from ..images import png
from ..networks import load_network
from ..report.sheet import edit_sheet, stack
from ..runs import LINKGAN, check_children, interrupt, snapshot_of, start
from .recipe_report import Report
from .rows import Row
from .settings import Settings

FAMILIES = Report(
    "families",
    "Families",
    "Any generator, linked",
    columns=("locality", "transfer", "effect_in"),
    note="Every family was trained for the same CPU time without links; with links it saw as many images.",
)
LARGE = ("small", "stylegan2")  # sizes of `tiny`, for longer runs
_LINKED = "-linked"
_CALIBRATION = (0.256, 0.768)  # kimg of two short runs: the difference is free of what a run takes to start


@dataclass(frozen=True)
class Speed:
    """What short runs of a family told.

    Attributes:
        seconds: CPU seconds per thousand images.
        parameters: of its generator.
    """

    seconds: float
    parameters: int


def small_families() -> list[str]:
    """Return the presets that a laptop trains on images without cameras."""
    return [name for name in PRESETS if name not in WITH_CAMERAS and name not in LARGE]


def family_rows(speeds: dict[str, Speed], links: Sequence[str], minutes: float) -> list[Row]:
    """Return two rows for each family, of equal length: without links, and with them.

    Args:
        speeds: family -> its speed.
        links: ``NAME=AXES@REGION`` each, in the only latent space of a family, or W.
        minutes: of CPU time for the run without links.
    """
    rows = []
    for name, speed in speeds.items():
        kimg = _rounded(60 * minutes / speed.seconds)
        about = f"{kimg:g} thousand images, {speed.parameters:,} parameters"
        train = ("--cfg", name)
        plain = Row(name, about, tuple(links), switches=(("weight", 0.0),), baseline=name, kimg=kimg, train=train)
        rows += [
            plain,
            Row(f"{name}{_LINKED}", f"{about}, linked", tuple(links), baseline=name, kimg=kimg, train=train),
        ]
    return rows


def _rounded(kimg: float) -> float:
    """Return a length in thousand images with two digits, so that it is easy to read."""
    return float(f"{kimg:.2g}")


def measure_speeds(
    families: Sequence[str], settings: Settings, out: Path, minutes: float, progress: Callable[[str], object]
) -> dict[str, Speed]:
    """Return the speed of each family, from `out`/speeds.json where it was measured before.

    Args:
        families: names of presets.
        settings: of the study.
        out: its folder.
        minutes: CPU minutes of a run, which must be the same in every call for a folder.
        progress: called with the name of each family before its runs.
    Raises:
        LinkGANError: a run failed, a family is unknown, or the folder's runs have another length.
        Interrupted: after Ctrl-C.
    """
    for name in families:
        if name not in PRESETS or name in WITH_CAMERAS:
            raise LinkGANError(f"family '{name:.40}': expected some of {', '.join(small_families())}")
    file = out / "speeds.json"
    stored: dict[str, Any] = {"minutes": minutes, "families": {}}
    if file.exists():
        stored = json.loads(file.read_text(encoding="utf-8"))
    if stored["minutes"] != minutes:
        raise LinkGANError(f"{out} has runs of {stored['minutes']:g} minutes, not {minutes:g}; choose another --out")
    known = stored["families"]
    for name in families:
        if name not in known:
            progress(name)
            known[name] = asdict(_speed(name, settings, out / "speeds"))
            write_json(file, stored)
    return {name: Speed(**known[name]) for name in families}


def write_sheet(rows: Sequence[Row], seed: int, out: Path, data: Path) -> Path:
    """Write the edits of every family's linked network to families.png, one below the other, and return its path.

    Args:
        rows: of the study.
        seed: whose networks are drawn.
        out: folder of the study.
        data: zip of images.
    """
    parts = []
    for row in (row for row in rows if row.name != row.baseline):
        network = load_network(snapshot_of(out / row.name / f"seed-{seed}"))
        generator = LinkedGenerator(network.generator, network.linked(), labels=network.labels(data))
        title = f"{row.baseline}: {row.meaning}"
        parts.append(edit_sheet(generator, range(2), generator.spec.block_names, variants=3, title=title))
    png.save_png(out / "families.png", stack(parts), {"seed": str(seed)})
    return out / "families.png"


def _speed(name: str, settings: Settings, folder: Path) -> Speed:
    """Train a family for two short runs, and measure their CPU time."""
    seconds = []
    for kimg in _CALIBRATION:
        run, log = folder / f"{name}-{kimg:g}", folder / f"{name}-{kimg:g}.log"
        shutil.rmtree(run, ignore_errors=True)  # an interrupted one's
        log.unlink(missing_ok=True)
        once = [
            "--data",
            str(settings.data),
            "--run-dir",
            str(run),
            "--kimg",
            f"{kimg:g}",
            "--tick",
            "1000",
            "--threads",
            "1",
        ]
        before = _child_seconds()
        _run([*LINKGAN, "train", "--quiet", "--cfg", name, *once, *settings.train], name, log)
        seconds.append(_child_seconds() - before)
    first, second = _CALIBRATION
    counted = re.search(r"^G: ([\d,]+) parameters", log.read_text(encoding="utf-8"), re.MULTILINE)
    parameters = int(counted[1].replace(",", "")) if counted else 0
    return Speed((seconds[1] - seconds[0]) / (second - first), parameters)


def _run(command: list[str], name: str, log: Path) -> None:
    child = start(command, log)
    try:
        child.wait()
    except KeyboardInterrupt:
        interrupt([child])
        raise Interrupted from None
    check_children({name: child}, {name: log}, "training")


def _child_seconds() -> float:
    """Return the CPU time of all child processes that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
