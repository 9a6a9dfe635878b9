"""Standard output that cannot be written: a line or silence, and an exit code; never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = {
    "plugins": ("plugins",),
    "help": ("--help",),
    "version": ("--version",),
    "help of a command": ("metrics", "--help"),
    "inspect": ("inspect", "{net}"),
    "inspect as JSON": ("inspect", "{net}", "--json"),
    "a dry run": ("train", "--data", "{data}", "--dry-run"),
    "metrics": ("metrics", "{net}", "--pairs", "4", "--json"),
    "preview": ("regions", "preview", "--network", "{net}", "--out", "{folder}/p.png"),
}


@pytest.fixture(params=COMMANDS)
def command(request, linked_snapshot, faces_zip, tmp_path):
    words = [word.format(net=linked_snapshot, data=faces_zip, folder=tmp_path) for word in COMMANDS[request.param]]
    return [sys.executable, "-m", "linkgan_plugin", *words]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(command):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "Error: standard output cannot be written (No space left on device)"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_closed_pipe_is_silent(command):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr
