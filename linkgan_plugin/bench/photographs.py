"""`linkgan bench photographs`: every way to invert photographs, how close it comes, and what it costs to edit them.

A row is one way to invert. All rows invert the same photographs and edit them with the same donors; drawn latents,
edited alike, are the reference: what the network itself can do. Rows are stored one by one, so a stopped study goes on
where it was, and another row can be added to a finished one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training_loops.formats.atomic import atomic_file
from training_loops.formats.interrupt import watch_interrupt
from training_loops.formats.lock import locked

from ..checksum import file_digest
from ..directions.task import Progress, silent
from ..editing.detailed import PhotographDetails, details_for
from ..errors import Interrupted
from ..generators import LinkedGenerator
from ..inversion.encoder import Encoder
from ..inversion.folder import METRICS_FILE, InversionJob
from ..inversion.perceptual import PyramidDistance
from ..inversion.photographs import Photograph
from ..inversion.projected import Projected, load_projected
from ..metrics.feature_distance import FeatureDistance
from ..metrics.ssim import ssim
from .held_out import HeldOut
from .inversion_rows import DRAWN, Row
from .photograph_edits import Edit, EditedPhotograph, edit_photograph
from .photograph_quality import Collected, Ruler
from .stored_rows import store, stored

PHOTOGRAPHS = "photographs"  # the set of their quality
_DRAWN_SEED, _DONOR_SEED = 1 << 22, 1 << 23


@dataclass(frozen=True)
class GivenEncoder:
    """An encoder and its file.

    Attributes:
        encoder: opened, of the network.
        path: the file.
    """

    encoder: Encoder
    path: Path


@dataclass(frozen=True, eq=False)
class PhotographStudy:
    """What all rows share.

    Attributes:
        path: the network's file.
        generator: the network with its links.
        held_out: the photographs.
        edits: done to each of them.
        donors: per photograph.
        encoders: name -> encoder.
        ruler: measures quality; None for no quality.
        features: perceptual distance; None where its weights are not installed.
        feather: width in pixels of the seam of pasting; None for the default.
        batch: photographs inverted together.
        about: plain data that the figures depend on besides these, such as the kind of quality.
        command: as typed.
        progress: wraps the photographs that are edited.
    """

    path: Path
    generator: LinkedGenerator
    held_out: HeldOut
    edits: Sequence[Edit]
    donors: int = 4
    encoders: Mapping[str, GivenEncoder] = field(default_factory=dict)
    ruler: Ruler | None = None
    features: FeatureDistance | None = None
    feather: float | None = None
    batch: int = 8
    about: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    progress: Progress = silent

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the network and of each encoder, by name."""
        files = {f"encoder {name}": given.path for name, given in self.encoders.items()}
        return {name: file_digest(path) for name, path in {"network": self.path, **files}.items()}

    def claim(self, row: Row) -> dict[str, Any]:
        """Return what the figures of a row depend on, JSON-able."""
        return {
            "settings": asdict(row.inversion()) if row is not DRAWN else {},
            "network": self.digests["network"],
            "encoder": self.digests[f"encoder {row.encoder}"] if row.encoder is not None else None,
            "links": self.generator.spec.described(),
            "edits": [edit.name for edit in self.edits],
            "photographs": self.held_out.described(),
            "donors": self.donors,
            "feather": self.feather,
            **self.about,
        }

    def facts(self) -> list[str]:
        """Return sentences about the data and the measures, for the report."""
        held_out, facts = self.held_out, [f"{len(self.held_out)} photographs of {self.held_out.data.path}."]
        facts.append(f"Each is edited with {self.donors} drawn donors, the same in every row.")
        if self.ruler is not None:
            rest = "others" if held_out.apart else "of them; the inverted ones are among these, which lowers it"
            facts.append(f"Quality: {self.ruler.yardstick.text}, to {len(self.ruler.real)} {rest}. Lower is better.")
        if self.features is None:
            facts.append("No feature distance: pip install 'linkgan_plugin[quality]' for EfficientNet-Lite0.")
        return facts


def run(study: PhotographStudy, rows: Sequence[Row], out: Path, say: Any = print) -> dict[str, dict[str, Any]]:
    """Measure the rows that `out` does not have yet, and return the figures of all: key -> figures.

    Args:
        study: what they share.
        rows: ways to invert; `DRAWN` is added.
        out: folder of the study: inversions in out/inversions, figures in out/rows.
        say: told which row begins.
    Raises:
        LinkGANError: `out` holds a row with other settings.
        LockedError: another process works in `out`.
        Interrupted: after Ctrl-C.
    """
    found = {}
    with locked(out):
        todo = [row for row in (DRAWN, *rows) if stored(out, row.key, study.claim(row)) is None]
        for row in (DRAWN, *rows):
            if row in todo:
                say(f"{row.title}: row {todo.index(row) + 1} of {len(todo)} to measure")
                store(out, row.key, study.claim(row), measured(study, row, out), study.command)
            figures = stored(out, row.key, study.claim(row))
            assert figures is not None
            found[row.key] = figures
    return found


def measured(study: PhotographStudy, row: Row, out: Path) -> dict[str, Any]:
    """Invert the photographs, edit them and measure both.

    Returns:
        ``closeness``: name -> [N]; ``edits``: edit -> name in FIGURES -> [N]; ``quality``: set -> value and stderr.
    """
    folders = [] if row is DRAWN else _inverted(study, row, out / "inversions" / row.key)
    closeness: dict[str, list[float]] = {}
    collected = Collected(study.ruler, [edit.name for edit in study.edits])
    with watch_interrupt() as interrupt:
        for index in study.progress(range(len(study.held_out)), f"{row.title}, edits"):
            if interrupt.requested:
                raise Interrupted
            if row is DRAWN:
                collected.add(_edited_drawn(study, index))
                continue
            photograph, label = study.held_out.image(index), study.held_out.label(index)
            projected = load_projected(folders[index], study.generator.generator, label)
            edited = _edited(study, index, projected, study.encoders.get(row.encoder or ""))
            collected.add(edited)
            near = {**_closeness(study, edited.reconstruction, photograph), "seconds": _seconds(folders[index])}
            for name, value in near.items():
                closeness.setdefault(name, []).append(value)
    with atomic_file(out / "rows" / f"{row.key}.npz") as file:
        np.savez_compressed(file, **collected.shown())  # type: ignore[arg-type]
    quality = collected.quality()
    if row is DRAWN and study.ruler is not None:
        quality[PHOTOGRAPHS] = study.ruler.of_images(study.held_out.images)
    return {"closeness": closeness, "edits": collected.figures, "quality": quality}


def _inverted(study: PhotographStudy, row: Row, out: Path) -> list[Path]:
    """Invert the photographs into a folder each, which are returned."""
    held_out, given = study.held_out, study.encoders.get(row.encoder or "") if row.encodes else None
    digests = {"network": study.digests["network"]}
    if row.encoder is not None:
        digests["encoder"] = study.digests[f"encoder {row.encoder}"]
    photographs = [
        Photograph(name, held_out.image(index), held_out.label(index)) for index, name in enumerate(held_out.names)
    ]
    claim = {
        "images": dict(zip(held_out.names, held_out.digests, strict=True)),
        "files": digests,
        "crop": None,
        "labels": held_out.labels.tolist(),
    }
    InversionJob(
        out,
        study.generator.generator,
        photographs,
        row.inversion(),
        claim,
        study.command,
        batch=study.batch,
        encoder=None if given is None else given.encoder,
    ).run()
    return [out / name for name in held_out.names]


def _edited(study: PhotographStudy, index: int, projected: Projected, given: GivenEncoder | None) -> EditedPhotograph:
    """Edit an inverted photograph in the network that its inversion changed, as `Editor.of_projected` does."""
    network = projected.applied(study.generator.generator)
    own = study.generator if network is study.generator.generator else study.generator.with_network(network)
    latents, label = (part.to(study.generator.device) for part in (projected.latents, projected.label))
    donors, photograph = _donors(study, index, label), study.held_out.image(index)
    details = None
    if projected.detailed and given is not None:
        found = details_for(study.generator, projected, given.encoder)
        details = PhotographDetails(own, found, photograph, latents, label)
    return edit_photograph(own, study.edits, latents, label, donors, photograph, study.feather, details)


def _edited_drawn(study: PhotographStudy, index: int) -> EditedPhotograph:
    label = study.held_out.label(index).to(study.generator.device)
    latents = study.generator.draw([_DRAWN_SEED + index], label)
    donors = _donors(study, index, label)
    return edit_photograph(study.generator, study.edits, latents, label, donors, None, study.feather)


def _donors(study: PhotographStudy, index: int, label: Tensor) -> Tensor:
    """Return the donors of a photograph, [K, L, D]: the same in every row."""
    first = _DONOR_SEED + index * study.donors
    return study.generator.draw(range(first, first + study.donors), label.expand(study.donors, -1))


@torch.no_grad()
def _closeness(study: PhotographStudy, reconstruction: Tensor, photograph: Tensor) -> dict[str, float]:
    """Return how close a reconstruction [1, C, H, W] comes to the photograph; it is clipped, as in image files."""
    image, photograph = reconstruction.clamp(-1, 1), photograph.to(reconstruction)
    found = {
        "mae": (image - photograph).abs().double().mean(),
        "ssim": ssim(image, photograph),
        "pyramid": PyramidDistance()(image, photograph),
    }
    if study.features is not None:
        found["features"] = study.features(image, photograph)
    return {name: float(value) for name, value in found.items()}


def _seconds(folder: Path) -> float:
    return float(json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))["seconds"])
