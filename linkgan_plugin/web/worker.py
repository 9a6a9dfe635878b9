"""The thread that uses the network: runs quick jobs in order of arrival, also between the steps of long ones."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ..errors import LinkGANError

T = TypeVar("T")

MOST_WAITING = 64  # quick jobs; a page sends one at a time, so this many pages


class Busy(LinkGANError):
    """Too many jobs are queued."""


class Worker:
    """Runs jobs one at a time in its own thread.

    A long job, such as an inversion, calls `run_pending` between its steps, which runs the queued quick jobs, so that
    clicks get a response. Long jobs run one after another.
    """

    def __init__(self) -> None:
        self._quick: deque[_Job] = deque()
        self._long: deque[_Job] = deque()
        self._news = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="linkgan-network", daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[], T]) -> T:
        """Do a quick job and return its result.

        Raises:
            Busy: too many jobs are queued.
            Exception: raised by the job.
        """
        return await asyncio.wrap_future(self._add(self._quick, call, MOST_WAITING))

    def start(self, call: Callable[[], T]) -> Future[T]:
        """Queue a long job and return at once."""
        return self._add(self._long, call, MOST_WAITING)

    def run_pending(self) -> None:
        """Run the queued quick jobs. Called by long jobs in the worker's thread.

        Raises:
            Stopped: the worker is closing.
        """
        while True:
            with self._news:
                if self._closing:
                    raise Stopped
                if not self._quick:
                    return
                job = self._quick.popleft()
            job.do()

    def close(self) -> None:
        """End the thread after the running job; queued jobs are cancelled."""
        with self._news:
            self._closing = True
            for job in (*self._quick, *self._long):
                job.future.cancel()
            self._quick.clear()
            self._long.clear()
            self._news.notify()
        self._thread.join(timeout=5)

    def _add(self, jobs: deque[_Job], call: Callable[[], Any], most: int) -> Future[Any]:
        with self._news:
            if self._closing or len(jobs) >= most:
                raise Busy("too many requests are queued; try again in a few seconds")
            job = _Job(call)
            jobs.append(job)
            self._news.notify()
        return job.future

    def _work(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._quick or self._long or self._closing)
                if self._closing:
                    return
                job = (self._quick or self._long).popleft()
            job.do()


class Stopped(Exception):
    """Raised to end a long job that was cancelled or whose worker is closing."""


class _Job:
    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.future: Future[Any] = Future()

    def do(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.call()
        except BaseException as error:  # handled by the caller
            self.future.set_exception(error)
        else:
            self.future.set_result(result)
