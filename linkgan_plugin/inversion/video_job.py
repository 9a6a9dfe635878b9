"""The inversion of a video into a folder; can be stopped and resumed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from training_loops.formats.atomic import write_json
from training_loops.formats.interrupt import watch_interrupt
from training_loops.formats.lock import locked

from ..checksum import file_digest
from ..errors import Interrupted, LinkGANError
from ..images.pixels import Pixels, enlarge, to_pixels
from ..images.video_reader import frame_rate
from ..images.video_writer import even_sides, write_mp4
from ..metrics.jitter import Jitter
from ..metrics.record import versions
from .details import Details
from .encoder import Encoder, weights_digest
from .folder import CLAIM_FILE, claim_folder
from .perceptual import Lpips, PyramidDistance, psnr
from .progress import ProgressFile
from .projected_video import (
    FRAMES_FOLDER,
    METRICS_FILE,
    ProjectedVideo,
    frames_of,
    load_projected_video,
    save_latents,
)
from .rendering import Renderer
from .settings import DETAILED, InversionSettings
from .video_frames import Frames, cut_frames
from .video_stages import VideoInversion

RENDERED_FILE = "proj.mp4"
_SAVE_EVERY = 30.0  # seconds
_CELL = 160  # pixels a side of a frame in RENDERED_FILE, about


@dataclass(frozen=True)
class VideoJob:
    """The inversion of one video into a folder of its own.

    Attributes:
        out: the folder: frames/ (the video at the network's size), projected_w.npz, proj.mp4 (source and inversion
            side by side), metrics.json.
        generator: the network.
        video: the file.
        settings: of every frame; noise maps are never optimised.
        label: [1, c_dim], the class or camera of all frames.
        command: recorded in all written files.
        crop: the square of all frames (see `crop.given_square`); None for the largest in the middle.
        span: first frame, and the one after the last or None.
        lpips: if given, minimised instead of the pyramid distance, and measured.
        files: checksums of further files by name, which identify the inversion.
        encoder: of the network, for the methods that need one.
        batch: frames encoded or rendered together; it changes results only by rounding.
    """

    out: Path
    generator: nn.Module
    video: Path
    settings: InversionSettings
    label: Tensor
    command: str
    crop: str | None = None
    span: tuple[int, int | None] = (0, None)
    lpips: Lpips | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    encoder: Encoder | None = None
    batch: int = 8

    def run(self) -> ProjectedVideo:
        """Invert the frames that are not done yet.

        Raises:
            LinkGANError: not a video, or the folder holds another inversion.
            LockedError: another process works in the folder.
            Interrupted: after Ctrl-C; the progress is saved, and the same command resumes it.
        """
        fps = frame_rate(self.video)  # before anything is written
        with locked(self.out):
            about = {**asdict(replace(self.settings, noise=False)), **self._claim()}
            claim_folder(self.out, about)
            if not (self.out / METRICS_FILE).exists():
                self._run(about, fps)
        return load_projected_video(self.out, self.generator)

    @property
    def _details(self) -> Details | None:
        """The encoder's details, for the method that keeps them."""
        if self.encoder is None or DETAILED not in self.settings.stages:
            return None
        return self.encoder.required_details

    def _claim(self) -> dict[str, Any]:
        files = {"video": file_digest(self.video), "network": weights_digest(self.generator), **self.files}
        if self.encoder is not None:
            files["encoder"] = weights_digest(self.encoder.network)
        if self._details is not None:
            files["details"] = weights_digest(self._details.network)
        return {"sha256": files, "crop": self.crop, "span": list(self.span), "label": self.label[0].tolist()}

    def _run(self, about: Mapping[str, Any], fps: Fraction) -> None:
        if not (self.out / FRAMES_FOLDER).exists():
            try:
                self._cut()
            except LinkGANError:
                (self.out / CLAIM_FILE).unlink()  # nothing was inverted: another crop or range may follow
                raise
        frames = frames_of(self.out, self.generator)
        distance = self.lpips or PyramidDistance()
        inversion = VideoInversion(
            self.generator, frames, self.label, self.settings, distance, self.encoder, self.batch
        )
        saved = self._progress.load()
        if saved is not None:
            inversion.restore(saved["state"])
        seconds = self._invert(inversion, saved["seconds"] if saved is not None else 0.0)
        seen = versions()
        text = {"command": self.command, "seed": str(self.settings.seed), "versions": json.dumps(seen, allow_nan=False)}
        save_latents(self.out, inversion.latents, self.label, inversion.tuned, text, self._details is not None)
        measured = self._rendered(inversion, frames, fps)
        named = {"video": self.video.name, "frames": len(frames), "fps": str(fps)}
        more = {"seconds": round(seconds, 2), "command": self.command, **about, "versions": seen}
        write_json(self.out / METRICS_FILE, {**named, **measured, **more})
        self._progress.remove()

    def _cut(self) -> None:
        size, channels = (int(getattr(self.generator, name)) for name in ("img_resolution", "img_channels"))
        with tqdm(desc="Reading", unit="frame", disable=None) as bar:
            cut_frames(
                self.video, self.out / FRAMES_FOLDER, size, channels, crop=self.crop, span=self.span, tick=bar.update
            )

    @property
    def _progress(self) -> ProgressFile:
        return ProgressFile(self.out, "linkgan_plugin.projected_video")

    def _invert(self, inversion: VideoInversion, spent: float) -> float:
        """Do all steps; returns the seconds that they took, `spent` in earlier calls included."""
        started = noted = time.monotonic()
        bar = tqdm(total=inversion.total, initial=inversion.steps_done, unit="step", desc="Inverting", disable=None)
        with bar, watch_interrupt() as interrupt:
            while not inversion.is_finished:
                before = inversion.steps_done
                inversion.advance()
                bar.update(inversion.steps_done - before)
                now = time.monotonic()
                if interrupt.requested or inversion.is_finished or now - noted > _SAVE_EVERY:
                    self._progress.save(seconds=spent + now - started, state=inversion.state())
                    noted = now
                if interrupt.requested:
                    raise Interrupted
        return spent + time.monotonic() - started

    def _rendered(self, inversion: VideoInversion, frames: Frames, fps: Fraction) -> dict[str, Any]:
        """Render all frames: write them beside the video, and return how close they are and how they jitter."""
        by_frame: dict[str, list[float]] = {"distance": [], "psnr": [], **({"lpips": []} if self.lpips else {})}
        jitter = Jitter()

        def drawn() -> Iterator[Pixels]:
            for source, image in self._pairs(inversion, frames):
                jitter.add(source, image, torch.ones(source.shape[2:], device=source.device))
                by_frame["distance"].append(float(PyramidDistance()(image, source)))
                by_frame["psnr"].append(float(psnr(image, source)))
                if self.lpips is not None:
                    by_frame["lpips"].append(float(self.lpips(image, source)))
                yield even_sides(np.concatenate(list(enlarge(to_pixels(torch.cat([source, image])), _CELL)), axis=1))

        with tqdm(drawn(), "Rendering", len(frames), unit="frame", disable=None) as shown:
            write_mp4(self.out / RENDERED_FILE, shown, comment=json.dumps({"command": self.command}), fps=fps)
        means = {name: round(sum(values) / len(values), 5) for name, values in by_frame.items()}
        rounded = {name: [round(value, 5) for value in values] for name, values in by_frame.items()}
        return {**means, "jitter": jitter.figures()["inside"], "by_frame": rounded}

    @torch.no_grad()
    def _pairs(self, inversion: VideoInversion, frames: Frames) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every frame and the generator's image of it, [1, C, R, R] each."""
        renderer, latents = Renderer(self.generator), inversion.latents
        for first in range(0, len(frames), self.batch):
            some = latents[first : first + self.batch]
            labels = self.label.to(some.device).expand(len(some), -1)
            sources = frames.batch(first, first + self.batch).to(some.device)
            if self._details is None:
                images = renderer.images(some, labels, weights=inversion.tuned)
            else:
                images = self._details.reconstruct(renderer, sources, labels, some)
            yield from zip(sources.split(1), images.split(1), strict=True)
