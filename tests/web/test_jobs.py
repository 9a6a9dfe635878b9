"""Long jobs: how many may wait, what becomes of them, and what is said of each."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.web.jobs import MOST_REMEMBERED, MOST_WAITING, LongJob, LongJobs
from linkgan_plugin.web.worker import Busy, Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def ended(jobs: LongJobs[LongJob], job: LongJob, worker: Worker) -> LongJob:
    """Queue a job and wait for its end."""
    jobs.begin(job)
    worker.start(lambda: None).result(timeout=60)  # long jobs run in order
    return job


def test_more_than_a_few_may_not_wait_and_those_that_ended_do_not_count(worker):
    go = threading.Event()
    jobs = LongJobs(worker, lambda job: go.wait(60), "this")
    names = [jobs.begin(LongJob()) for _ in range(MOST_WAITING)]
    with pytest.raises(Busy, match="4 others are waiting for this; try again"):
        jobs.begin(LongJob())
    jobs.give_up(names[-1])
    last = jobs.begin(LongJob())
    go.set()
    worker.start(lambda: None).result(timeout=60)
    assert [jobs.get(name).done for name in (*names[:-1], last)] == [True] * MOST_WAITING
    with pytest.raises(LinkGANError, match="this has ended; start it again"):
        jobs.get(names[-1])


def test_a_job_that_was_cancelled_while_it_waited_or_ran_does_nothing_more(worker):
    began = []

    def run(job):
        began.append(job)
        job.given_up = True  # as from another thread
        jobs.pause(job)
        raise AssertionError

    jobs = LongJobs(worker, run, "this")
    running = ended(jobs, LongJob(), worker)
    assert (running.given_up, running.done, running.error) == (True, False, None)
    waiting = LongJob(given_up=True)
    ended(jobs, waiting, worker)
    assert began == [running]


def test_errors_of_the_user_are_shown_and_others_only_in_the_terminal(worker, caplog):
    def run(job):
        raise job.reason

    jobs = LongJobs(worker, run, "this")
    for reason, shown in ((LinkGANError("too dark"), "too dark"), (KeyError("secret"), "An internal error occurred.")):
        job = LongJob()
        job.reason = reason
        assert ended(jobs, job, worker).error.startswith(shown)
        assert "secret" not in job.error
        assert job.over
    assert "secret" in caplog.text


def test_the_oldest_are_forgotten(worker):
    jobs = LongJobs(worker, lambda job: None, "this")
    first = jobs.begin(LongJob())
    for _ in range(MOST_REMEMBERED):
        ended(jobs, LongJob(), worker)
    with pytest.raises(LinkGANError):
        jobs.get(first)
