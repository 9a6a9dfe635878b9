"""Fixtures shared by all rooms: a third-party distribution, installed as a user would install it."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import pytest

from linkgan_plugin import registry
from linkgan_plugin.segmentation import named

EXAMPLE = Path(__file__).parent / "plugins" / "linkgan_example"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def nothing_named() -> Iterator[None]:
    """No test knows the segmentation networks that another one has named."""
    named.forget()
    yield
    named.forget()


@pytest.fixture
def audited(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[list[str]]]:
    """Return a context that lists the files opened in it, by Python's own record of them."""
    # Other tests may write to a folder on the search path meanwhile, upon which all plugins would be read again.
    monkeypatch.setattr(registry, "_changed", cache(registry._changed))

    @contextmanager
    def recording() -> Iterator[list[str]]:
        opened: list[str] = []
        watching = True

        def note(event: str, args: tuple[object, ...]) -> None:
            if watching and event == "open":
                opened.append(str(args[0]))

        sys.addaudithook(note)  # it cannot be taken away again
        try:
            yield opened
        finally:
            watching = False

    return recording


@pytest.fixture(scope="session")
def example_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the example plugin installed in it by pip."""
    source = tmp_path_factory.mktemp("source") / EXAMPLE.name  # setuptools leaves its build beside the source
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *flags, "--target", site, source], check=True)
    return site


@pytest.fixture
def example_plugin(example_site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example plugin on this process's path for one test."""
    monkeypatch.syspath_prepend(example_site)
    yield example_site
    for name in [name for name in sys.modules if name.partition(".")[0] == "linkgan_example"]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def fake_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], Path]:
    """Return a maker of installed distributions ``(name, version, entry points text) -> site folder``."""
    site = tmp_path / "fake-site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def make(name: str, version: str, entry_points: str) -> Path:
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entry_points)
        importlib.invalidate_caches()
        return site

    return make


@pytest.fixture
def run_python() -> Run:
    """Return a runner of ``python ARGS`` in a new process, with the folders in `path` on its path."""

    def run(*args: str | Path, path: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
        environment["PYTHONPATH"] = os.pathsep.join(map(str, (*path, Path(__file__).parents[1])))
        command = [sys.executable, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)

    return run
