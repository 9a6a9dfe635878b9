"""Searches for directions of regions that are drawn on the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from training_loops.formats.text import printable

from ..directions.find import DEFAULT, find_directions
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..links import parse_region
from ..regions.base import Region, StaticRegion
from .jobs import LongJob, LongJobs
from .sets import PageSets
from .worker import Worker

COUNT = 6  # directions of a region


@dataclass
class SearchJob(LongJob):
    """The search for directions of one region.

    Attributes:
        region: the pixels that they should change.
        name: of the finished set.
    """

    region: Region
    name: str | None = None


class DirectionSearches:
    """Finds directions one region after another.

    Args:
        generator: of the session.
        worker: of the session.
        sets: of the session, which get the directions.
    """

    def __init__(self, generator: LinkedGenerator, worker: Worker, sets: PageSets) -> None:
        self._generator, self._sets = generator, sets
        self._jobs = LongJobs(worker, self._search, "the search for directions")

    def begin(self, text: str) -> str:
        """Queue the search for a region, given as an expression, and return its name.

        Raises:
            Busy: too many searches are queued.
            LinkGANError: a malformed or empty region, or one that names a file.
        """
        region = parse_region(text, _no_file)
        if isinstance(region, StaticRegion) and not region.fine.any():
            raise LinkGANError(printable(f"the region {text:.80} covers nothing inside the image; draw another one"))
        return self._jobs.begin(SearchJob(region))

    def progress(self, name: str) -> dict[str, Any]:
        """Return {share, text, set, error}; LinkGANError for an unknown or cancelled search."""
        job = self._jobs.get(name)
        return {"share": job.share, "text": job.text, "set": job.name, "error": job.error}

    def give_up(self, name: str) -> None:
        """Cancel a search that is queued or running."""
        self._jobs.give_up(name)

    def _search(self, job: SearchJob) -> None:
        def progress(steps: Iterable[int], text: str) -> Iterator[int]:
            steps = list(steps)
            for done, step in enumerate(steps):
                job.share, job.text = done / len(steps), f"Directions of {job.region!s:.60}: {text}…"
                self._jobs.pause(job)
                yield step

        found = find_directions(self._generator, DEFAULT, region=job.region, count=COUNT, progress=progress)
        job.name = self._sets.add(f"{job.region!s:.60}", found)


def _no_file(name: str) -> bytes:
    raise LinkGANError(printable(f"the page does not open '{name:.200}'; draw the region, or write a box or polygon"))
