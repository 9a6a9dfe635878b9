"""Atomic files: whole or absent, whatever happens to the disk or to the writer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from training_loops.errors import InputError
from training_loops.formats import atomic
from training_loops.formats.archive import new_archive

HOUR = 3600


def test_an_atomic_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    with atomic.atomic_file(path) as file:
        file.write(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    with pytest.raises(RuntimeError, match="writer died"):
        _write_half_and_die(path)
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["data.bin"]


def _write_half_and_die(path: Path) -> None:
    with atomic.atomic_file(path) as file:
        file.write(b"half of t")
        raise RuntimeError("writer died")


def test_atomic_files_have_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    atomic.write_json(tmp_path / "data.json", {"a": [1, None]})
    assert json.loads((tmp_path / "data.json").read_text()) == {"a": [1, None]}
    assert (tmp_path / "data.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_path_below_a_file_is_refused_by_the_files_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here before")
    with pytest.raises(NotADirectoryError, match=re.escape(str(tmp_path / "file"))):
        atomic.write_bytes(tmp_path / "file" / "new", b"data")
    assert (tmp_path / "file").read_text() == "here before"


def test_the_file_before_is_kept_under_another_name(tmp_path: Path) -> None:
    for text in (b"one", b"two", b"three"):
        with atomic.atomic_file(tmp_path / "now", keep=tmp_path / "before") as file:
            file.write(text)
    assert (tmp_path / "now").read_bytes() == b"three"
    assert (tmp_path / "before").read_bytes() == b"two"
    with pytest.raises(RuntimeError), atomic.atomic_file(tmp_path / "now", keep=tmp_path / "before"):
        raise RuntimeError
    assert sorted(os.listdir(tmp_path)) == ["before", "now"]


def test_leftovers_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    writer = atomic.atomic_file(tmp_path / "state.pt")
    writer.__enter__().write(b"half")
    assert len(os.listdir(tmp_path)) == 1
    (tmp_path / ".other").write_bytes(b"")
    atomic.remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == [".other"]


def test_only_temporaries_of_ours_are_taken_for_leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "run"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "kept.txt").write_text("kept")
    folder.mkdir()
    ours = [".state.pt.atomic-tmp-abc_1234.pt", ".notes.atomic-tmp-abcd1234"]
    for name in (*ours, ".notes.atomic-tmp-short", ".state.pt.atomic-tmp-mine-and-yours.txt", "x.atomic-tmp-abcd1234"):
        (folder / name).write_bytes(b"")
    (folder / ".link.atomic-tmp-abcd1234").symlink_to(outside)
    (folder / ".file.atomic-tmp-abcd1234").symlink_to(outside / "deep" / "kept.txt")
    half = folder / ".faces.atomic-tmp-abcd1234"
    half.mkdir()
    (half / "elsewhere").symlink_to(outside)
    before = sorted(os.listdir(folder))
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
        atomic.remove_leftovers(folder)
    assert sorted(os.listdir(folder)) == before, "they are another user's"
    atomic.remove_leftovers(folder)
    assert set(before) - set(os.listdir(folder)) == {*ours, half.name}
    assert (outside / "deep" / "kept.txt").read_text() == "kept"


def test_how_old_a_leftover_is_does_not_depend_on_what_it_links_to(tmp_path: Path) -> None:
    (tmp_path / "young").write_bytes(b"")
    half = tmp_path / ".faces.atomic-tmp-abcd1234"
    half.mkdir()
    (half / "link").symlink_to(tmp_path / "young")
    long_ago = (time.time() - 2 * HOUR,) * 2
    os.utime(half / "link", long_ago, follow_symlinks=False)
    os.utime(half, long_ago)
    atomic.remove_leftovers(tmp_path, older=HOUR)
    assert os.listdir(tmp_path) == ["young"]


KILLED = """
import os, signal, sys
from training_loops.formats.atomic import atomic_file
from training_loops.formats.archive import new_archive
with atomic_file(sys.argv[1]) as file, new_archive(sys.argv[2]) as archive:
    file.write(b"half of it")
    file.flush()
    archive.write("a.txt", b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_writers_that_are_killed_again_and_again_leave_no_growing_litter(tmp_path: Path) -> None:
    file, folder = tmp_path / "sheet.png", tmp_path / "faces"
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", KILLED, file, folder], cwd=Path(__file__).parents[3])
        assert killed.returncode == -9
        litter = list(tmp_path.iterdir())
        assert len(litter) == 2, "the second writer removed what the first left"
        for path in (old for top in litter for old in (top, *top.rglob("*"))):
            os.utime(path, (time.time() - 2 * HOUR,) * 2)
    atomic.write_bytes(file, b"whole")
    with new_archive(folder) as archive:
        archive.write("a.txt", b"whole")
    assert sorted(os.listdir(tmp_path)) == ["faces", "sheet.png"]


def test_a_living_writer_of_the_same_file_is_left_alone(tmp_path: Path) -> None:
    with atomic.atomic_file(tmp_path / "a") as slow:
        slow.write(b"slow")
        atomic.write_bytes(tmp_path / "a", b"quick")
        assert (tmp_path / "a").read_bytes() == b"quick"
    assert (tmp_path / "a").read_bytes() == b"slow"


FULL = """
import resource, sys, torch
from pathlib import Path
from training_loops.formats import atomic
from training_loops.formats.archive import new_archive
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
folder = Path(sys.argv[1])

def tensors(path):
    with atomic.atomic_file(path) as file:
        torch.save({"w": torch.zeros(40_000)}, file)

def archive(path):
    with new_archive(path) as writer:
        writer.write("a.bin", bytes(60_000))

writers = {
    "bytes.bin": lambda path: atomic.write_bytes(path, bytes(60_000)),
    "log.txt": lambda path: atomic.append_line(path, "-" * 60_000),
    "state.pt": tensors,
    "faces.zip": archive,
    "faces": archive,
}
for name, write in writers.items():
    try:
        write(folder / name)
    except OSError as error:
        print(error)
"""


def test_a_full_disk_is_reported_with_the_files_name(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"the state before")
    command = [sys.executable, "-c", FULL, tmp_path]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    named = re.findall(r"^\[Errno \d+\] File too large: '(.*)'$", done.stdout, re.MULTILINE)
    assert [Path(name).name for name in named] == ["bytes.bin", "log.txt", "state.pt", "faces.zip", "faces"]
    assert (tmp_path / "state.pt").read_bytes() == b"the state before"
    assert sorted(os.listdir(tmp_path)) == ["log.txt", "state.pt"]


def test_other_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(zipfile.BadZipFile, match="not me"), atomic.replacing(tmp_path / "x"):
        raise zipfile.BadZipFile("not me")
    with pytest.raises(FileNotFoundError, match="missing"), atomic.replacing(tmp_path / "x"):
        open(tmp_path / "missing").close()


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    path.write_bytes(b"old")

    def half_a_image():
        with atomic.replacing(path) as temporary:
            temporary.write_bytes(b"half a pict")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        half_a_image()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.bin"
    atomic.write_bytes(path, b"one")
    atomic.write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_nan_never_reaches_a_json_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    atomic.write_json(path, {"a": 1})
    with pytest.raises(InputError, match=r"report\.json: b\.c\[1\] is nan, but JSON supports finite numbers only"):
        atomic.write_json(path, {"a": 2, "b": {"c": [0.5, float("nan")]}})
    with pytest.raises(InputError, match="the value is -inf"):
        atomic.write_json(path, float("-inf"))
    assert json.loads(path.read_text()) == {"a": 1}


def test_the_temporary_file_keeps_its_suffix_for_encoders(tmp_path: Path) -> None:
    with atomic.replacing(tmp_path / "video.mp4") as temporary:
        assert temporary.suffix == ".mp4"
        assert temporary.parent == tmp_path
