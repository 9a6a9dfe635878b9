"""The wheel: it holds everything, and works installed alone, away from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts.trees import make_tree
from training_loops.data.face_files import write_faces

ROOT = Path(__file__).parents[1]
# Folder of the checkout -> folder of the installation.
ROOMS = {"linkgan_plugin": "linkgan_plugin", "training_loops": "training_loops", "patches": "linkgan_plugin/patches"}
PIP = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
ALONE = ["--no-deps", "--no-index"]  # nothing is fetched: dependencies come from the running environment
Run = Callable[..., str]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, because setuptools leaves its build beside the source."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, *PIP, "wheel", *ALONE, "--no-build-isolation", "--wheel-dir", target, source]
    subprocess.run(command, check=True)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a caller of programs of a fresh environment that has the wheel, and the checkout nowhere on its path."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([sys.executable, *PIP, "--python", programs / "python", "install", *ALONE, wheel], check=True)
    site = next(folder.rglob("site-packages"))
    # A plain path in a .pth file: .pth files of that folder, an editable checkout's among them, are not followed.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    away = tmp_path_factory.mktemp("away")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

    def run(program: str, *arguments: object) -> str:
        command = [programs / program, *map(str, arguments)]
        done = subprocess.run(command, cwd=away, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_wheel_holds_every_file_and_no_other(wheel: Path) -> None:
    expected = {
        Path(ROOMS[room], path.relative_to(ROOT / room)).as_posix() for room in ROOMS for path in _files(ROOT / room)
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        about = next(name.partition("/")[0] for name in names if ".dist-info/" in name)
        points = archive.read(f"{about}/entry_points.txt").decode()
    assert {name for name in names if not name.startswith(about)} == expected
    assert {"linkgan_plugin/py.typed", "linkgan_plugin/metrics/face_classifier.pt"} <= names
    assert sum(name.startswith("linkgan_plugin/patches/") and name.endswith(".json") for name in names) >= 3
    assert f"{about}/licenses/LICENSE" in names
    assert "linkgan = linkgan_plugin.cli:main" in points


def test_the_installed_command_explains_itself(installed: Run) -> None:
    assert "Hosts and files:" in installed("linkgan", "--help")
    assert installed("linkgan", "--version").startswith("linkgan, version ")


def test_every_installed_plugin_loads(installed: Run) -> None:
    rows = [line.split() for line in installed("linkgan", "plugins", "--check").splitlines()[1:]]
    ours = [cells for cells in rows if "linkgan_plugin" in cells]
    assert len(ours) >= 15
    assert {cells[-1] for cells in ours} == {"ok"}


def test_the_installed_patches_are_found(installed: Run, tmp_path: Path) -> None:
    host = make_tree(tmp_path / "host", "stylegan3")
    assert f"{host}: not patched (family stylegan3)" in installed("linkgan", "patch", "status", host)


LOOK = """
import json, torch, linkgan_plugin, training_loops
from linkgan_plugin.hosts.families import families
from linkgan_plugin.metrics.face_classifier import load_face_classifier
from training_loops.data.faces import render, sample_attributes
images, _masks = render(sample_attributes(4, 0), 32)
read = load_face_classifier().attributes(images)
print(json.dumps({
    "homes": [linkgan_plugin.__file__, training_loops.__file__],
    "families": [family.name for family in families()],
    "finite": bool(torch.isfinite(read).all()),
}))
"""


def test_the_installed_data_files_are_read(installed: Run) -> None:
    found = json.loads(installed("python", "-c", LOOK))
    assert all("environment" in home and not home.startswith(str(ROOT)) for home in found["homes"])
    assert set(found["families"]) == {"eg3d", "r3gan", "stylegan2-ada-pytorch", "stylegan3"}
    assert found["finite"]


def test_an_installed_run_trains_a_linked_generator(installed: Run, tmp_path: Path) -> None:
    data, run = tmp_path / "faces.zip", tmp_path / "run"
    write_faces(data, 16, 16, seed=0)
    small = ["--cbase", 64, "--cmax", 8, "--w-dim", 16, "--z-dim", 16, "--batch", 4, "--kimg", 0.008, "--threads", 1]
    installed(
        "linkgan",
        "train",
        "--data",
        data,
        "--run-dir",
        run,
        "--link",
        "eyes=4@eyes",
        "--link-start",
        "0",
        *small,
        "--quiet",
    )
    assert (run / "network-snapshot-000000.pt").exists()
