"""One thread owns the network: order, faults, and clicks between the steps of long jobs."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError

import pytest

from linkgan_plugin.web import worker as working
from linkgan_plugin.web.worker import Busy, Stopped, Worker


@pytest.fixture
def worker():
    made = Worker()
    yield made
    made.close()


def test_jobs_run_one_at_a_time_in_one_thread_in_the_order_they_came(worker):
    seen, running = [], threading.Lock()

    def job(number):
        assert running.acquire(blocking=False)
        seen.append((number, threading.get_ident()))
        running.release()
        return number * 2

    async def ask():
        return await asyncio.gather(*(worker.run(lambda number=number: job(number)) for number in range(50)))

    assert asyncio.run(ask()) == [2 * number for number in range(50)]
    assert [number for number, _ in seen] == list(range(50))
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] != threading.get_ident()


def test_a_job_that_fails_fails_for_its_caller_alone(worker):
    async def ask():
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 / 0)
        return await worker.run(lambda: "alive")

    assert asyncio.run(ask()) == "alive"


def test_quick_jobs_are_done_between_the_steps_of_a_long_one(worker):
    started, answered = threading.Event(), threading.Event()
    order = []

    def long():
        started.set()
        while not answered.is_set():
            worker.run_pending()
        order.append("long")

    future = worker.start(long)
    after = worker.start(lambda: order.append("second long"))
    assert started.wait(10)
    asyncio.run(worker.run(lambda: order.append("quick")))
    answered.set()
    future.result(10)
    after.result(10)
    assert order == ["quick", "long", "second long"]


def test_more_than_anybody_waits_for_is_refused(worker):
    started, go = threading.Event(), threading.Event()
    worker.start(lambda: (started.set(), go.wait(10)))
    assert started.wait(10)

    async def ask():
        waiting = [asyncio.ensure_future(worker.run(lambda: "done")) for _ in range(working.MOST_WAITING + 3)]
        await asyncio.sleep(0.05)
        go.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    results = asyncio.run(ask())
    assert results[: working.MOST_WAITING] == ["done"] * working.MOST_WAITING
    assert [type(result) for result in results[working.MOST_WAITING :]] == [Busy] * 3


def test_closing_ends_a_long_job_and_those_that_wait():
    worker, started, ended = Worker(), threading.Event(), []

    def long():
        started.set()
        try:
            while True:
                worker.run_pending()
        except Stopped:
            ended.append("stopped")
            raise

    running, waiting = worker.start(long), worker.start(lambda: ended.append("never"))
    assert started.wait(10)
    worker.close()
    with pytest.raises(Stopped):
        running.result(10)
    with pytest.raises(CancelledError):
        waiting.result(10)
    assert ended == ["stopped"]
    with pytest.raises(Busy):
        worker.start(lambda: None)
