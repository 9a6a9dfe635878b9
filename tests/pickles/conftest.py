"""Fixtures of the pickle tests: a checkout and a snapshot made with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pickles import checkouts


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host's code."""
    return checkouts.write(tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="session")
def made(checkout: Path) -> tuple[bytes, Any]:
    """A snapshot's bytes and the generator in it."""
    return checkouts.snapshot_bytes(checkout)


@pytest.fixture
def fresh_modules() -> Iterator[None]:
    """No host's modules before and after the test."""
    checkouts.forget()
    yield
    checkouts.forget()
