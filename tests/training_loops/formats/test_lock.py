"""The lock of a folder, with real processes: one at a time, freed by a kill, refused from another machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from training_loops.formats.lock import LOCK_FILE, LockedError, is_unused, locked

HOLD = """
import sys, time
from training_loops.formats.lock import locked
with locked(sys.argv[1]):
    print("in", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    yield process
    process.kill()
    process.wait()


def test_a_folder_in_use_is_refused_with_its_process_and_the_way_out(holder, tmp_path):
    expected = rf"in use by process {holder.pid} on {socket.gethostname()}, since .*; .* remove .*{LOCK_FILE}"
    with pytest.raises(LockedError, match=expected), locked(tmp_path):
        pass
    assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == holder.pid


def test_a_killed_process_frees_it_and_a_line_says_so(holder, tmp_path, capfd):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()
    assert f"taken over from process {holder.pid} on" in capfd.readouterr().err
    assert not (tmp_path / LOCK_FILE).exists()


def record(**changes):
    own = psutil.Process()
    return json.dumps({"pid": own.ppid(), "host": socket.gethostname(), "started": 1.0, "since": "then"} | changes)


def test_a_lock_of_another_machine_is_refused_until_it_is_removed(tmp_path):
    (tmp_path / LOCK_FILE).write_text(record(host="node7"))
    with pytest.raises(
        LockedError, match=r"process \d+ on node7, since then; .*if that process no longer runs, remove"
    ):
        locked(tmp_path).__enter__()
    (tmp_path / LOCK_FILE).unlink()
    with locked(tmp_path):
        pass


def test_a_process_number_that_another_process_has_now_is_no_holder(tmp_path, capfd):
    (tmp_path / LOCK_FILE).write_text(record())
    with locked(tmp_path):
        pass
    assert "which no longer runs" in capfd.readouterr().err


def test_where_the_file_system_has_no_locks_the_record_decides(tmp_path, monkeypatch):
    monkeypatch.setattr("training_loops.formats.lock.fcntl", None)
    living = psutil.Process(os.getppid())
    (tmp_path / LOCK_FILE).write_text(record(pid=living.pid, started=living.create_time()))
    with pytest.raises(LockedError, match=f"in use by process {living.pid}"), locked(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_file_that_says_nothing_holds_nothing(text, tmp_path):
    (tmp_path / LOCK_FILE).write_text(text)
    with locked(tmp_path), pytest.raises(LockedError, match=f"process {os.getpid()}"), locked(tmp_path):
        pass


def test_an_error_in_the_block_frees_it_and_a_lock_alone_is_no_use(tmp_path):
    folder = tmp_path / "new"
    assert is_unused(folder)
    with pytest.raises(KeyError), locked(folder):
        raise KeyError(is_unused(folder))
    with locked(folder):
        assert is_unused(folder)
        (folder / "x").touch()
        assert not is_unused(folder)
