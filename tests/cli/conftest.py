"""Fixtures of the command line tests: a small data set and a briefly trained linked run, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from linkgan_plugin.cli import main

# A few steps have links in all of them.
LINKS = ["--link", "eyes=4@eyes", "--link", "mouth=2@mouth", "--link-start", "0"]
SMALL = ["--cbase", "64", "--cmax", "8", "--w-dim", "16", "--z-dim", "16", "--batch", "8", "--quiet", "--threads", "1"]
Cli = Callable[..., Result]


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Return a caller of the command line: ``cli("train", "--data", path, ...)``."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return call


@pytest.fixture(scope="session")
def faces_zip(tmp_path_factory: pytest.TempPathFactory, cli: Cli) -> Path:
    """48 procedural faces of 16 x 16 pixels."""
    path = tmp_path_factory.mktemp("data") / "faces.zip"
    result = cli("data", "faces", "--n", 48, "--size", 16, "--out", path)
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture(scope="session")
def linked_run(tmp_path_factory: pytest.TempPathFactory, cli: Cli, faces_zip: Path) -> Path:
    """The folder of a linked run of ten steps."""
    run = tmp_path_factory.mktemp("runs") / "linked"
    arguments = ("--data", faces_zip, "--run-dir", run, "--kimg", 0.08, "--loss=linkgan", *LINKS, *SMALL)
    result = cli("train", *arguments, "--link-interval", 2, "--metrics", "link2k")
    assert result.exit_code == 0, result.output
    return run


@pytest.fixture(scope="session")
def linked_snapshot(linked_run: Path) -> Path:
    """The last snapshot of that run."""
    return max(linked_run.glob("network-snapshot-*.pt"))
