"""What all runs of a study share, and the protocol that its data require: seeds, snapshots and quality kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training_loops.formats.atomic import write_json
from training_loops.formats.lock import is_unused

from ..errors import LinkGANError
from ..metrics.attributes import has_classifier
from ..metrics.claims import SEEDS
from ..metrics.efficientnet import weights_path

DataKind = Literal["faces", "photographs"]
# Snapshots per run: a quarter of them is measured at most.
_SNAPSHOTS, _TICKS_PER_SNAPSHOT = 20, 4


@dataclass(frozen=True)
class Settings:
    """What all runs of a study share.

    Attributes:
        data: zip of images; procedural faces are written there if it does not exist.
        kimg: length of a run in thousand images.
        links: ``NAME=AXES@REGION`` of most rows.
        train: further options of `linkgan train`.
        pairs: edited pairs per measurement.
        quality_images: images per measurement of quality; 0 for none.
        pretrain: thousand images of the unlinked runs that resumed rows start from; None: they start from the baseline.
        quality_kind: as in `linkgan metrics`; auto becomes imagenet for photographs, if its package is installed.
        edited_quality: also measure the quality of edited images.
        fit: also measure how well edited images can be distinguished from unedited ones.
    """

    data: Path
    kimg: float
    links: tuple[str, ...]
    train: tuple[str, ...] = ()
    pairs: int = 1000
    quality_images: int = 5000
    pretrain: float | None = None
    quality_kind: str = "auto"
    edited_quality: bool = False
    fit: bool = False

    @property
    def data_kind(self) -> DataKind:
        """What the data are: procedural faces, which may still have to be written, or photographs."""
        return data_kind(self.data if self.data.exists() else None)

    def resolved_kind(self) -> str:
        """Return the quality kind that `linkgan metrics` is called with."""
        if self.quality_kind != "auto":
            return self.quality_kind
        if self.data_kind == "faces":
            return "attributes"
        return "imagenet" if weights_path() is not None else "patches"

    def snapshot_arguments(self, kimg: float) -> list[str]:
        """Return options of `linkgan train` that save about five snapshots in the last quarter of `kimg`."""
        return ["--tick", f"{kimg / (_SNAPSHOTS * _TICKS_PER_SNAPSHOT):g}", "--snap", str(_TICKS_PER_SNAPSHOT)]

    def claim(self, out: Path) -> None:
        """Record in `out` which study it contains.

        Raises:
            LinkGANError: it contains a study with other settings, or other files.
        """
        path = out / "settings.json"
        mine = self._stored()
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found != mine:
                raise LinkGANError(f"{out} contains a study with {found}, not {mine}; choose another --out")
            return
        if not is_unused(out):
            raise LinkGANError(f"{out} is not empty and contains no study; choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, mine)

    def _stored(self) -> Mapping[str, Any]:
        """Return what trained networks depend on; figures are stored under the names of what they depend on."""
        stored = {"data": str(self.data), "kimg": self.kimg, "links": list(self.links), "train": list(self.train)}
        return stored if self.pretrain is None else {**stored, "pretrain": self.pretrain}


def data_kind(data: Path | None) -> DataKind:
    """Return the kind of a data set; None stands for the procedural faces that are written by default."""
    return "faces" if data is None or has_classifier(data) else "photographs"


def default_seeds(data: Path | None) -> list[int]:
    """Return as many seeds as a claim on these data needs."""
    return list(range(SEEDS[data_kind(data)]))
