"""Inversions of uploaded photographs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from PIL import Image as Pillow
from torch import Tensor

from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..images.pixels import Pixels, to_pixels
from ..inversion.conditions import labels_for, photograph_label
from ..inversion.crop import cut, largest_square
from ..inversion.encoder import Encoder
from ..inversion.perceptual import PyramidDistance
from ..inversion.photograph_files import from_pixels
from ..inversion.projected import Projected
from ..inversion.settings import DETAILED, ENCODED, SEARCH, TUNE, check_method
from ..inversion.stages import Inversion, InversionSettings
from .jobs import LongJob, LongJobs
from .store import ImageStore
from .worker import Worker

LOOKS = 1.0  # seconds between two previews of the result


@dataclass
class PhotographJob(LongJob):
    """The inversion of one photograph.

    Attributes:
        target: [1, C, R, R] in [-1, 1].
        pixels: the current result, uint8 [R, R, 3].
        image: name of its image in the store, as soon as it can be edited.
    """

    target: Tensor
    pixels: Pixels
    image: str | None = None


class Photographs:
    """Inverts photographs one after another.

    Args:
        generator: of the session.
        worker: of the session.
        store: of the session.
        settings: of the inversions; by default `method_of` the encoder.
        encoder: of the network: its first pass gives an image to edit at once, which is refined in the background.
    Raises:
        LinkGANError: settings that do not go with the encoder, or an encoder of another network.
    """

    def __init__(
        self,
        generator: LinkedGenerator,
        worker: Worker,
        store: ImageStore,
        settings: InversionSettings | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self._generator, self._store, self._encoder = generator, store, encoder
        self._settings = settings or InversionSettings(method=method_of(encoder))
        check_method(self._settings.method, encoder is not None)
        if encoder is not None:
            encoder.check(generator.generator)
        self._jobs = LongJobs(worker, self._invert, "the inversion of a photograph")

    @property
    def possible(self) -> bool:
        """Whether links and inversions share a space: W, or Z without a mapping network."""
        return self._generator.spec.space == "w" or not self._generator.calls.has_w

    def begin(self, photograph: Pillow.Image) -> str:
        """Queue the inversion of a photograph and return its name.

        Raises:
            Busy: too many photographs are queued.
            LinkGANError: the links are in Z, though the network has a W.
        """
        if not self.possible:
            raise LinkGANError("this network cannot invert photographs: its links are not in W")
        self._jobs.check_free()
        side, channels = (int(getattr(self._generator.generator, f"img_{what}")) for what in ("resolution", "channels"))
        target = from_pixels(cut(photograph, largest_square(*photograph.size), side), channels)
        return self._jobs.begin(PhotographJob(target, to_pixels(target)[0]))

    def progress(self, name: str) -> tuple[dict[str, Any], Pixels]:
        """Return {share, text, image, refined, error} and the current result, uint8 [R, R, 3].

        Raises:
            LinkGANError: an unknown or cancelled inversion.
        """
        job = self._jobs.get(name)
        state = {"share": job.share, "text": job.text, "image": job.image, "refined": job.done, "error": job.error}
        return state, job.pixels

    def give_up(self, name: str) -> None:
        """Cancel an inversion that is queued or running."""
        self._jobs.give_up(name)

    def _invert(self, job: PhotographJob) -> None:
        if self._encoder is not None and self._settings.method != ENCODED:
            self._publish(job, self._found(job, InversionSettings(method=ENCODED)))
        projected = self._found(job, self._settings)
        if job.image is None:
            self._publish(job, projected)
        else:
            self._store.refine(job.image, projected)

    def _publish(self, job: PhotographJob, projected: Projected) -> None:
        job.image = self._store.add_photograph(projected).name

    def _found(self, job: PhotographJob, settings: InversionSettings) -> Projected:
        network = self._generator.generator
        labels = labels_for(network, photograph_label(network, self._generator.label_source), 1)
        job.text = "Measuring the latent space…"
        inversion = Inversion(network, job.target, labels, settings, PyramidDistance(), self._encoder)
        total, started, looked = settings.total(1), time.monotonic(), 0.0
        while not inversion.finished:
            inversion.advance()
            job.share = inversion.steps_done / total
            job.text = _time_left(time.monotonic() - started, job.share)
            if time.monotonic() - looked > LOOKS:
                job.pixels = to_pixels(inversion.images())[0]
                looked = time.monotonic()
            self._jobs.pause(job)
        return inversion.take(0).projected


def method_of(encoder: Encoder | None) -> str:
    """Return the best method for a page: `search` without an encoder, `details` if it has them, else `tune`."""
    if encoder is None:
        return SEARCH
    return TUNE if encoder.details is None else DETAILED


def _time_left(spent: float, share: float) -> str:
    seconds = spent * (1 - share) / share if share else 0.0
    if seconds < 1:
        return "Less than a second left."
    return f"About {seconds:.0f} seconds left." if seconds < 90 else f"About {seconds / 60:.0f} minutes left."
