"""A budget stops what unfolds without end, and says what it was."""

import time

import pytest

from training_loops.formats.budget import Budget, BudgetError, Limits


def test_what_is_left_is_spent_in_any_portions():
    budget = Budget("x.pkl", Limits(bytes=10, items=3, seconds=60))
    budget.charge(items=2)
    budget.charge(items=1, bytes=10)
    with pytest.raises(BudgetError, match=r"x\.pkl: more than 3 values"):
        budget.charge(items=1)


def test_bytes_are_refused_before_they_are_made():
    with pytest.raises(BudgetError, match=r"x\.pkl: expands to more than 1 MB"):
        Budget("x.pkl", Limits(bytes=1 << 20, items=3, seconds=60)).charge(bytes=(1 << 20) + 1)


def busy(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_time_counts_while_the_file_is_read_and_waiting_does_not():
    budget = Budget("x.pkl", Limits(bytes=1, items=10**9, seconds=0.05))
    with budget:
        time.sleep(0.1)
        budget.charge(items=5000)
    busy(0.1)
    with budget:
        budget.charge(items=5000)
    with budget:
        busy(0.1)
        with pytest.raises(BudgetError, match=r"takes more than 0\.05 s to read"):
            budget.charge(items=5000)
