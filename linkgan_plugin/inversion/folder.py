"""The folder that `linkgan project` writes: one inversion per photograph; can be stopped and resumed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from training_loops.formats.atomic import write_json
from training_loops.formats.budget import DESCRIPTION
from training_loops.formats.files import read_file
from training_loops.formats.interrupt import watch_interrupt
from training_loops.formats.json_text import parse_object
from training_loops.formats.lock import is_unused, locked

from ..errors import Interrupted, LinkGANError
from ..images.pixels import Pixels, to_pixels
from ..images.png import save_png
from ..metrics.record import versions
from .encoder import Encoder
from .perceptual import Lpips, PyramidDistance, psnr
from .photograph_files import opened
from .photographs import Photograph
from .progress import ProgressFile
from .projected import RENDERED_FILE, TARGET_FILE, save_projected
from .settings import SEARCH, InversionSettings
from .sheet import InversionRow, inversion_sheet
from .stages import Inversion, Outcome

CLAIM_FILE, METRICS_FILE, SHEET_FILE = "project.json", "metrics.json", "projections.png"
_SAVE_EVERY = 30.0  # seconds


@dataclass(frozen=True)
class InversionJob:
    """The inversion of several photographs into a folder.

    Attributes:
        out: the folder.
        generator: the network.
        photographs: with distinct names.
        settings: of every inversion.
        lpips: if given, minimised instead of the pyramid distance, and measured.
        claim: plain data that identifies the inputs: checksums by name of `images` and of other `files`, `crop` and
            `labels`. A folder holds the inversions of one claim with one setting.
        command: recorded in all written files.
        batch: photographs inverted together; it changes results only by rounding.
        encoder: of the network, for the methods that need one.
    """

    out: Path
    generator: nn.Module
    photographs: Sequence[Photograph]
    settings: InversionSettings
    claim: Mapping[str, Any]
    command: str
    lpips: Lpips | None = None
    batch: int = 8
    encoder: Encoder | None = None

    def run(self) -> None:
        """Invert the photographs that are not done yet.

        Raises:
            LinkGANError: the folder holds other inversions.
            LockedError: another process works in the folder.
            Interrupted: after Ctrl-C; the progress is saved, and the same command resumes it.
        """
        with locked(self.out):
            self._run()

    def _run(self) -> None:
        claim_folder(self.out, {**asdict(self.settings), **self.claim})
        todo = [photograph for photograph in self.photographs if not (self._folder(photograph) / METRICS_FILE).exists()]
        done = len(self.photographs) - len(todo)
        total = self.settings.total(len(self.photographs))
        with tqdm(total=total, initial=self.settings.total(done), unit="step", desc="Inverting") as bar:
            saved = self._progress.load()
            while todo:
                some = self._next(todo, saved)
                self._invert(some, saved, bar)
                self._progress.remove()
                names = {photograph.name for photograph in some}
                todo = [photograph for photograph in todo if photograph.name not in names]
                saved = None
        self._write_sheet()

    def _folder(self, photograph: Photograph) -> Path:
        return self.out / photograph.name

    @property
    def _progress(self) -> ProgressFile:
        return ProgressFile(self.out, "linkgan_plugin.projection")

    def _next(self, todo: Sequence[Photograph], saved: dict[str, Any] | None) -> Sequence[Photograph]:
        """Return the photographs of a batch: those of the saved progress, else the next ones."""
        if saved is None:
            return todo[: self.batch]
        return [photograph for photograph in self.photographs if photograph.name in saved["names"]]

    def _invert(self, some: Sequence[Photograph], saved: dict[str, Any] | None, bar: tqdm[Any]) -> None:
        images, labels = torch.cat([one.image for one in some]), torch.cat([one.label for one in some])
        distance = self.lpips or PyramidDistance()
        inversion = Inversion(self.generator, images, labels, self.settings, distance, self.encoder)
        if saved is not None:
            inversion.restore(saved["state"])
            # In a batch that was being tuned, finished photographs are already counted.
            bar.update(inversion.steps_done - self.settings.total(inversion.finished))
        names = [one.name for one in some]
        written, noted = inversion.finished, time.monotonic()
        with watch_interrupt() as interrupt:
            while written < len(some):
                before = inversion.steps_done
                inversion.advance()
                bar.update(inversion.steps_done - before)
                for image in range(written, inversion.finished):
                    self._write(some[image], inversion.take(image))
                ended, written = written < inversion.finished, inversion.finished
                if written < len(some) and (interrupt.requested or ended or time.monotonic() - noted > _SAVE_EVERY):
                    self._progress.save(names=list(names), state=inversion.state())
                    noted = time.monotonic()
                if interrupt.requested:
                    break
        if interrupt.requested:
            raise Interrupted

    def _write(self, photograph: Photograph, outcome: Outcome) -> None:
        """Write one photograph's folder. Its metrics are written last and mark it as done."""
        folder, last = self._folder(photograph), self.settings.stages[-1]
        seen = versions()
        text = {"command": self.command, "seed": str(self.settings.seed), "versions": json.dumps(seen, allow_nan=False)}
        for stage in self.settings.stages[:-1]:
            save_png(folder / _stage_file(stage), to_pixels(outcome.images[stage])[0], text)
        save_projected(folder, outcome.projected, rendered=outcome.images[last], metadata=text)
        stages = {stage: self._measured(stage, outcome) for stage in self.settings.stages}
        seconds = round(sum(outcome.seconds.values()), 4)
        about = {"command": self.command, **asdict(self.settings), "crop": self.claim["crop"]}
        about["label"] = photograph.label[0].tolist()
        about["sha256"] = {"photograph": self.claim["images"][photograph.name], **self.claim["files"]}
        about["versions"] = seen
        figures = {**stages[last], "seconds": seconds, "stages": stages}
        write_json(folder / METRICS_FILE, {"photograph": photograph.name, **figures, **about})

    @torch.no_grad()
    def _measured(self, stage: str, outcome: Outcome) -> dict[str, float]:
        image, target = outcome.images[stage], outcome.projected.photograph
        assert target is not None
        found = {"distance": float(PyramidDistance()(image, target)), "psnr": float(psnr(image, target))}
        if self.lpips is not None:
            device = next(iter(self.generator.parameters())).device
            found["lpips"] = float(self.lpips(image.to(device), target.to(device)))
        rounded = {name: round(value, 5) for name, value in found.items()}
        return {**rounded, "seconds": round(outcome.seconds[stage], 4)}

    def _write_sheet(self) -> None:
        rows = []
        for photograph in self.photographs:
            folder = self._folder(photograph)
            stages = _read_object(folder / METRICS_FILE)["stages"]
            cells = {}
            for stage, figures in stages.items():
                file = RENDERED_FILE if stage == self.settings.stages[-1] else _stage_file(stage)
                cells[stage] = _opened(folder / file), f"{figures['psnr']:.1f} dB"
            rows.append(InversionRow(photograph.name, _opened(folder / TARGET_FILE), cells))
        save_png(self.out / SHEET_FILE, inversion_sheet(rows), {"command": self.command})


def claim_folder(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Write what a folder's inversions are of, or compare it with what an earlier call wrote.

    Raises:
        LinkGANError: the folder holds other inversions, or something else.
    """
    path, claim = folder / CLAIM_FILE, json.loads(json.dumps(wanted))
    if not path.exists():
        if not is_unused(folder):
            raise LinkGANError(f"{folder} is not empty and holds no inversions; choose another --out")
        write_json(path, claim)
        return
    found = {"method": SEARCH, **_read_object(path)}  # folders from before there were methods name none
    differing = [key for key in {**found, **claim} if found.get(key) != claim.get(key)]
    if differing:
        shown = "; ".join(_difference(key, found.get(key), claim.get(key)) for key in differing)
        raise LinkGANError(f"{folder} holds other inversions: {shown}; choose another --out or remove it")


def _read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of an earlier call."""
    try:
        return parse_object(read_file(path, DESCRIPTION.bytes), str(path))
    except LinkGANError as error:
        raise LinkGANError(f"{error}; remove its folder or choose another --out") from error


def _difference(key: str, there: Any, now: Any) -> str:
    if isinstance(there, dict) and isinstance(now, dict):
        names = [name for name in {**there, **now} if there.get(name) != now.get(name)]
        return f"other {key} ({', '.join(names[:5])})"
    return f"{key} {there!r:.40} there, {now!r:.40} now"


def _stage_file(stage: str) -> str:
    return f"proj-{stage}.png"


def _opened(path: Path) -> Pixels:
    with opened(path) as image:
        return np.asarray(image.convert("RGB"))
