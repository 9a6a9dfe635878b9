"""Hosts shared by the conformance suite: one tree and one set of training runs per host and test session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Bench, Zygote, zygote
from .kinds import kinds


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """Runs commands in processes of their own; one server per test process."""
    with zygote(tmp_path_factory.mktemp("commands")) as server:
        yield server


@pytest.fixture(scope="session", params=kinds(), ids=lambda kind: kind.name)
def bench(request: pytest.FixtureRequest, commands: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A host, miniature or real. Test processes share its runs through the file system."""
    base = tmp_path_factory.getbasetemp()
    shared: Path = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return Bench(request.param, shared / request.param.name, commands)
