"""`LongJobs`: the jobs of one kind that users have started and watch: queued, running and finished ones."""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import LinkGANError
from .worker import Busy, Stopped, Worker

MOST_WAITING = 4  # including the running one
MOST_REMEMBERED = 32  # including finished ones

log = logging.getLogger("linkgan.ui")


@dataclass(kw_only=True)
class LongJob:
    """A job that takes seconds to minutes. Written by the worker thread, read by all.

    Attributes:
        share: of the work that is done, 0 to 1.
        text: the status shown to the user.
        error: message of a failure.
        done: whether it has finished.
        given_up: whether it was cancelled.
    """

    share: float = 0.0
    text: str = "Waiting for the network…"
    error: str | None = None
    done: bool = False
    given_up: bool = False

    @property
    def over(self) -> bool:
        """Whether it has finished, failed or been cancelled."""
        return self.done or self.given_up or self.error is not None


J = TypeVar("J", bound=LongJob)


class LongJobs(Generic[J]):
    """Runs jobs of one kind one after another in the worker's thread, which runs quick jobs between their steps.

    Args:
        worker: of the session.
        run: does a job; it calls `pause` between its steps.
        what: name of one job, in messages.
    """

    def __init__(self, worker: Worker, run: Callable[[J], object], what: str) -> None:
        self._worker, self._run, self._what = worker, run, what
        self._jobs: OrderedDict[str, J] = OrderedDict()

    def begin(self, job: J) -> str:
        """Queue a job and return its name.

        Raises:
            Busy: too many jobs of this kind are queued.
        """
        self.check_free()
        name = secrets.token_hex(8)
        self._jobs[name] = job
        while len(self._jobs) > MOST_REMEMBERED:
            self._jobs.popitem(last=False)
        self._worker.start(lambda: self._do(job))
        return name

    def check_free(self) -> None:
        """Raise Busy if too many jobs of this kind are queued."""
        if sum(not job.over for job in self._jobs.values()) >= MOST_WAITING:
            raise Busy(f"{MOST_WAITING} others are waiting for {self._what}; try again when one of them is done")

    def get(self, name: str) -> J:
        """Return a job.

        Raises:
            LinkGANError: an unknown or cancelled one.
        """
        job = self._jobs.get(name)
        if job is None or job.given_up:
            raise LinkGANError(f"{self._what} has ended; start it again")
        return job

    def give_up(self, name: str) -> None:
        """Cancel a job that is queued or running."""
        if name in self._jobs:
            self._jobs[name].given_up = True

    def pause(self, job: J) -> None:
        """Run the queued quick jobs.

        Raises:
            Stopped: the job was cancelled, or the worker is closing.
        """
        self._worker.run_pending()
        if job.given_up:
            raise Stopped

    def _do(self, job: J) -> None:
        try:
            if not job.given_up:
                self._run(job)
                job.done = True
        except Stopped:
            job.given_up = True
        except LinkGANError as error:
            job.error = str(error)
        except Exception:
            log.exception("%s failed", self._what)
            job.error = "An internal error occurred. The terminal shows it."
