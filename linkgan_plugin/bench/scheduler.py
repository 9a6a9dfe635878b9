"""Runs the jobs of a study as child processes, several at a time; stopped at any time and resumed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence

from ..errors import Interrupted, LinkGANError
from ..runs import check_children, interrupt, start
from .ablation import Job

_POLL_SECONDS = 1.0


class Scheduler:
    """Runs jobs, each after those it needs.

    Args:
        jobs: in the order in which they start.
        slots: child processes at a time.
        keep_going: continue with other jobs after one has failed.

    Attributes:
        failures: job -> message, with `keep_going`.
    """

    def __init__(self, jobs: Sequence[Job], slots: int, *, keep_going: bool = False) -> None:
        self.failures: dict[Job, str] = {}
        self._jobs, self._slots, self._keep_going = jobs, slots, keep_going
        self._waiting = list(jobs)
        self._running: dict[Job, tuple[list[str], subprocess.Popen[bytes]]] = {}

    def run(self, progress: Callable[[int, int], object]) -> dict[Job, str]:
        """Run all jobs and return `failures`.

        Args:
            progress: called regularly with the number of images seen by all runs and of finished jobs.
        Raises:
            Interrupted: after Ctrl-C.
            LinkGANError: a child failed, without `keep_going`; the others are stopped and can be resumed.
        """
        for job in self._jobs:
            job.prepare()
        seen = {job: job.kimg_seen for job in self._jobs}
        try:
            while self._waiting or self._running:
                for job in [job for job, (_, child) in self._running.items() if child.poll() is not None]:
                    self._take_back(job)
                    seen[job] = job.kimg_seen
                while len(self._running) < self._slots and (ready := self._ready()) is not None:
                    self._waiting.remove(ready)
                    self._advance(ready)
                seen |= {job: job.kimg_seen for job in self._running}
                finished = len(self._jobs) - len(self._waiting) - len(self._running)
                progress(round(1000 * sum(seen.values())), finished)
                if self._running:
                    time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            raise Interrupted from None
        finally:
            interrupt(child for _, child in self._running.values())
        return self.failures

    def _take_back(self, job: Job) -> None:
        """Start the next command of a job whose child has ended."""
        command, child = self._running.pop(job)
        try:
            check_children({job.name: child}, {job.name: job.log}, "training or measuring")
            self._advance(job, before=command)
        except LinkGANError as error:
            self._fail(job, error)

    def _advance(self, job: Job, before: list[str] | None = None) -> None:
        """Start a job's next command, or finish it."""
        command = job.next_command()
        if command is None:
            job.finish()
            return
        if command == before:
            raise LinkGANError(f"{job.name} ended without having done its work; see {job.log}")
        self._running[job] = (command, start(command, job.log))

    def _fail(self, job: Job, error: LinkGANError) -> None:
        """Record a failure, also for the jobs that need this one's network; without `keep_going`, raise it."""
        if not self._keep_going:
            raise error
        self.failures[job] = str(error)
        lost = [] if job.trained else [other for other in self._waiting if job in other.needs]
        for other in lost:
            if other in self._waiting:
                self._waiting.remove(other)
                self._fail(other, LinkGANError(f"{job.name}, which it needs, failed"))

    def _ready(self) -> Job | None:
        """Return the first waiting job whose needed networks are trained; one without its own waits for the other's."""
        unfinished = {*self._waiting, *self._running}
        return next(
            (
                job
                for job in self._waiting
                if all(need.trained for need in job.needs) and (job.trainer is job or job.trainer not in unfinished)
            ),
            None,
        )
