"""Searches for directions of regions that are drawn on the page: queued, running and finished jobs."""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from training_loops.formats.text import printable

from ..directions.find import DEFAULT, find_directions
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..links import parse_region
from ..regions.base import Region, StaticRegion
from .sets import PageSets
from .worker import Busy, Stopped, Worker

COUNT = 6  # directions of a region
MOST_WAITING = 4  # including the running one
MOST_REMEMBERED = 32  # including finished ones

log = logging.getLogger("linkgan.ui")


@dataclass
class DirectionSearch:
    """The search for directions of one region. Written by the worker thread, read by all.

    Attributes:
        region: the pixels that they should change.
        text: the status shown to the user.
        share: of the current stage that is done, 0 to 1.
        name: of the finished set.
        error: message of a failure.
        given_up: whether it was cancelled.
    """

    region: Region
    text: str = "Waiting for the network…"
    share: float = 0.0
    name: str | None = None
    error: str | None = None
    given_up: bool = False

    @property
    def over(self) -> bool:
        """Whether it has finished, failed or been cancelled."""
        return self.given_up or self.name is not None or self.error is not None


class DirectionSearches:
    """Finds directions one region after another in the worker's thread, which runs other jobs in between.

    Args:
        generator: of the session.
        worker: of the session.
        sets: of the session, which get the directions.
    """

    def __init__(self, generator: LinkedGenerator, worker: Worker, sets: PageSets) -> None:
        self._generator, self._worker, self._sets = generator, worker, sets
        self._searches: OrderedDict[str, DirectionSearch] = OrderedDict()

    def begin(self, text: str) -> str:
        """Queue the search for a region, given as an expression, and return its name.

        Raises:
            Busy: too many searches are queued.
            LinkGANError: a malformed or empty region, or one that names a file.
        """
        region = parse_region(text, _no_file)
        if isinstance(region, StaticRegion) and not region.fine.any():
            raise LinkGANError(printable(f"the region {text:.80} covers nothing inside the image; draw another one"))
        if sum(not search.over for search in self._searches.values()) >= MOST_WAITING:
            raise Busy("other directions are being computed; try again when they are done")
        search, name = DirectionSearch(region), secrets.token_hex(8)
        self._searches[name] = search
        while len(self._searches) > MOST_REMEMBERED:
            self._searches.popitem(last=False)
        self._worker.start(lambda: self._look_for(search))
        return name

    def progress(self, name: str) -> dict[str, Any]:
        """Return {share, text, set, error}; LinkGANError for an unknown or cancelled search."""
        search = self._searches.get(name)
        if search is None or search.given_up:
            raise LinkGANError("this search for directions has ended; start it again")
        return {"share": search.share, "text": search.text, "set": search.name, "error": search.error}

    def give_up(self, name: str) -> None:
        """Cancel a search that is queued or running."""
        if name in self._searches:
            self._searches[name].given_up = True

    def _look_for(self, search: DirectionSearch) -> None:
        def progress(steps: Iterable[int], text: str) -> Iterator[int]:
            steps = list(steps)
            for done, step in enumerate(steps):
                search.share, search.text = done / len(steps), f"Directions of {search.region!s:.60}: {text}…"
                self._worker.run_pending()
                if search.given_up:
                    raise Stopped
                yield step

        try:
            if not search.given_up:
                found = find_directions(self._generator, DEFAULT, region=search.region, count=COUNT, progress=progress)
                search.name = self._sets.add(f"{search.region!s:.60}", found)
        except Stopped:
            search.given_up = True
        except LinkGANError as error:
            search.error = str(error)
        except Exception:
            log.exception("directions could not be found")
            search.error = "An internal error occurred. The terminal shows it."


def _no_file(name: str) -> bytes:
    raise LinkGANError(printable(f"the page does not open '{name:.200}'; draw the region, or write a box or polygon"))
