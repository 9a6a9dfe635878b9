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
from ..inversion.encoder import Encoder
from ..inversion.perceptual import PyramidDistance
from ..inversion.photograph_files import from_pixels
from ..inversion.projected import Projected
from ..inversion.settings import ENCODED, SEARCH, TUNE, check_method
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
        image: name of its image in the store, as soon as it can be edited.
        refined: whether the inversion of that image is finished.
        error: message of a failure.
        given_up: whether it was cancelled.
    """

    target: Tensor
    pixels: Pixels
    share: float = 0.0
    text: str = "Waiting for the network…"
    image: str | None = None
    refined: bool = False
    error: str | None = None
    given_up: bool = False

    @property
    def over(self) -> bool:
        """Whether it has finished, failed or been cancelled."""
        return self.given_up or self.refined or self.error is not None


class Photographs:
    """Inverts photographs one after another in the worker's thread, which runs other jobs between the steps.

    Args:
        generator: of the session.
        worker: of the session.
        store: of the session.
        settings: of the inversions; by default a search without `encoder`, all its passes and tuning with it.
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
        self._generator, self._worker, self._store, self._encoder = generator, worker, store, encoder
        self._settings = settings or InversionSettings(method=SEARCH if encoder is None else TUNE)
        check_method(self._settings.method, encoder is not None)
        if encoder is not None:
            encoder.check(generator.generator)
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
        """Return {share, text, image, refined, error} and the current result, uint8 [R, R, 3].

        Raises:
            LinkGANError: an unknown or cancelled inversion.
        """
        search = self._searches.get(name)
        if search is None or search.given_up:
            raise LinkGANError("the inversion of this photograph has ended; choose it again")
        names = ("share", "text", "image", "refined", "error")
        return {name: getattr(search, name) for name in names}, search.pixels

    def give_up(self, name: str) -> None:
        """Cancel an inversion that is queued or running."""
        if name in self._searches:
            self._searches[name].given_up = True

    def _look_for(self, search: Search) -> None:
        try:
            if not search.given_up:
                self._invert(search)
        except Stopped:
            search.given_up = True
        except LinkGANError as error:
            search.error = str(error)
        except Exception:
            log.exception("a photograph could not be inverted")
            search.error = "An internal error occurred. The terminal shows it."

    def _invert(self, search: Search) -> None:
        if self._encoder is not None and self._settings.method != ENCODED:
            self._publish(search, self._found(search, InversionSettings(method=ENCODED)))
        projected = self._found(search, self._settings)
        if search.image is None:
            self._publish(search, projected)
        else:
            self._store.refine(search.image, projected)
        search.refined = True

    def _publish(self, search: Search, projected: Projected) -> None:
        search.image = self._store.add(EditedImage.of_photograph(self._generator, projected), projected).name

    def _found(self, search: Search, settings: InversionSettings) -> Projected:
        network = self._generator.generator
        labels = labels_for(network, photograph_label(network, self._generator.label_source), 1)
        search.text = "Measuring the latent space…"
        inversion = Inversion(network, search.target, labels, settings, PyramidDistance(), self._encoder)
        total, started, looked = settings.total(1), time.monotonic(), 0.0
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
        return inversion.take(0).projected


def _time_left(spent: float, share: float) -> str:
    seconds = spent * (1 - share) / share if share else 0.0
    if seconds < 1:
        return "Less than a second left."
    return f"About {seconds:.0f} seconds left." if seconds < 90 else f"About {seconds / 60:.0f} minutes left."
