"""Inversions of uploaded photographs: queued, running and finished jobs."""

from __future__ import annotations

import logging
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from PIL import Image as Pillow
from torch import Tensor

from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..images.pixels import Pixels, to_pixels
from ..inversion.conditions import labels_for, photograph_label
from ..inversion.crop import cut, largest_square
from ..inversion.perceptual import PyramidDistance
from ..inversion.photograph_files import from_pixels
from ..inversion.projected import Projected
from ..inversion.stages import Inversion, InversionSettings
from .edited_image import EditedImage
from .store import ImageStore
from .worker import Busy, Stopped, Worker

MOST_WAITING = 4  # including the running one
MOST_REMEMBERED = 32  # including finished ones
LOOKS = 1.0  # seconds between two previews of the result

log = logging.getLogger("linkgan.ui")


@dataclass
class Search:
    """The inversion of one photograph. Written by the worker thread, read by all.

    Attributes:
        target: [1, C, R, R] in [-1, 1].
        pixels: the current result, uint8 [R, R, 3].
        share: of the steps that are done, 0 to 1.
        text: the status shown to the user.
        image: name of the finished image in the store.
        error: message of a failure.
        given_up: whether it was cancelled.
    """

    target: Tensor
    pixels: Pixels
    share: float = 0.0
    text: str = "Waiting for the network…"
    image: str | None = None
    error: str | None = None
    given_up: bool = False

    @property
    def over(self) -> bool:
        """Whether it has finished, failed or been cancelled."""
        return self.given_up or self.image is not None or self.error is not None


class Photographs:
    """Inverts photographs one after another in the worker's thread, which runs other jobs between the steps.

    Args:
        generator: of the session.
        worker: of the session.
        store: of the session.
        settings: of the inversions.
    """

    def __init__(
        self, generator: LinkedGenerator, worker: Worker, store: ImageStore, settings: InversionSettings | None = None
    ) -> None:
        self._generator, self._worker, self._store = generator, worker, store
        self._settings = settings or InversionSettings()
        self._searches: OrderedDict[str, Search] = OrderedDict()

    @property
    def possible(self) -> bool:
        """Whether the network can invert photographs: it has a mapping network and links in W."""
        return self._generator.spec.space == "w" and self._generator.calls.has_w

    def begin(self, photograph: Pillow.Image) -> str:
        """Queue the inversion of a photograph and return its name.

        Raises:
            Busy: too many photographs are queued.
            LinkGANError: the network has no links in W.
        """
        if not self.possible:
            raise LinkGANError("this network cannot invert photographs: its links are not in W")
        if sum(not search.over for search in self._searches.values()) >= MOST_WAITING:
            raise Busy("other photographs are being inverted; try again when one of them is done")
        side, channels = (int(getattr(self._generator.generator, f"img_{what}")) for what in ("resolution", "channels"))
        target = from_pixels(cut(photograph, largest_square(*photograph.size), side), channels)
        search = Search(target, to_pixels(target)[0])
        name = secrets.token_hex(8)
        self._searches[name] = search
        while len(self._searches) > MOST_REMEMBERED:
            self._searches.popitem(last=False)
        self._worker.start(lambda: self._look_for(search))
        return name

    def progress(self, name: str) -> tuple[dict[str, Any], Pixels]:
        """Return {share, text, image, error} and the current result, uint8 [R, R, 3].

        Raises:
            LinkGANError: an unknown or cancelled inversion.
        """
        search = self._searches.get(name)
        if search is None or search.given_up:
            raise LinkGANError("the inversion of this photograph has ended; choose it again")
        state = {"share": search.share, "text": search.text, "image": search.image, "error": search.error}
        return state, search.pixels

    def give_up(self, name: str) -> None:
        """Cancel an inversion that is queued or running."""
        if name in self._searches:
            self._searches[name].given_up = True

    def _look_for(self, search: Search) -> None:
        try:
            if not search.given_up:
                search.image = self._store.add(*self._found(search)).name
        except Stopped:
            search.given_up = True
        except LinkGANError as error:
            search.error = str(error)
        except Exception:
            log.exception("a photograph could not be inverted")
            search.error = "An internal error occurred. The terminal shows it."

    def _found(self, search: Search) -> tuple[EditedImage, Projected]:
        generator = self._generator
        label = photograph_label(generator.generator, generator.label_source)
        search.text = "Measuring the latent space…"
        inversion = Inversion(
            generator.generator,
            search.target,
            labels_for(generator.generator, label, 1),
            self._settings,
            PyramidDistance(),
        )
        total, started, looked = self._settings.total(1), time.monotonic(), 0.0
        while not inversion.finished:
            inversion.advance()
            search.share = inversion.steps_done / total
            search.text = _time_left(time.monotonic() - started, search.share)
            if time.monotonic() - looked > LOOKS:
                search.pixels = to_pixels(inversion.images())[0]
                looked = time.monotonic()
            self._worker.run_pending()
            if search.given_up:
                raise Stopped
        projected = inversion.take(0).projected
        return EditedImage.of_photograph(generator, projected), projected


def _time_left(spent: float, share: float) -> str:
    seconds = spent * (1 - share) / share if share else 0.0
    if seconds < 1:
        return "Less than a second left."
    return f"About {seconds:.0f} seconds left." if seconds < 90 else f"About {seconds / 60:.0f} minutes left."
