"""Which snapshots of a run are measured, by which `linkgan metrics` commands, and the figures these wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..metrics.claims import SNAPSHOTS, last_quarter
from ..runs import LINKGAN
from ..segmentation import named
from .settings import Settings

_NAME = re.compile(r"network-snapshot-(\d+)\.pt")


def snapshots_of(run_dir: Path) -> dict[Path, float]:
    """Return the snapshots of a run -> thousand images seen, in order."""
    found = {path: match for path in run_dir.glob("*.pt") if (match := _NAME.fullmatch(path.name))}
    return {path: float(found[path][1]) for path in sorted(found)}


def measured_snapshots(run_dir: Path) -> list[Path]:
    """Return the snapshots that a run's quality is the mean of, the last one last.

    Raises:
        LinkGANError: there are none.
    """
    return last_quarter(snapshots_of(run_dir), SNAPSHOTS)


@dataclass(frozen=True)
class Measurement:
    """The figures of one snapshot: one `linkgan metrics` command, which appends one line to one file.

    Attributes:
        snapshot: the network.
        folder: where the line is stored.
        settings: of the study.
        last: it is the run's last snapshot, which also gets the metrics of pairs and fit.
        quality: measure quality.
        links: links to measure instead of the network's own; () for its own.
        baseline: the unlinked network to measure with the same axes and regions; None for none.
    """

    snapshot: Path
    folder: Path
    settings: Settings
    last: bool
    quality: bool
    links: tuple[str, ...] = ()
    baseline: Path | None = None

    @property
    def file(self) -> Path:
        """The file of its line; its name contains what the figures depend on."""
        settings = self.settings
        parts = [self.snapshot.stem, str(settings.pairs if self.last else 0)]
        if self.quality:
            parts += [str(settings.quality_images), settings.resolved_kind()]
            parts += ["edited"] if settings.edited_quality else []
            parts += ["fit"] if settings.fit and self.last else []
        return self.folder / "figures" / f"{'-'.join(parts)}.jsonl"

    def line(self) -> dict[str, Any] | None:
        """Return what was measured, None before it was."""
        try:
            found: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8").splitlines()[-1])
        except (OSError, ValueError, IndexError):
            return None
        return found

    def command(self) -> list[str]:
        """Return the command that measures it."""
        settings = self.settings
        return [
            *(*LINKGAN, "metrics", str(self.snapshot), "--data", str(settings.data), "--json"),
            *("--pairs", str(settings.pairs if self.last else 0)),
            *self._quality_arguments(),
            *(part for link in self.links for part in ("--link", link)),
            *(("--baseline", str(self.baseline)) if self.baseline is not None else ()),
            *("--out", str(self.file)),
            *named.arguments(),
        ]

    def _quality_arguments(self) -> Sequence[str]:
        settings = self.settings
        if not self.quality:
            return ("--quality-images", "0")
        return (
            *("--quality-images", str(settings.quality_images), "--quality-kind", settings.resolved_kind()),
            *(("--edited-quality",) if settings.edited_quality else ()),
            *(("--fit",) if settings.fit and self.last else ()),
        )
