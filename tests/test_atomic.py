"""Atomic writes: the final name holds the old file or the whole new one, and nothing else stays behind."""

from __future__ import annotations

import json

import pytest

from linkgan_plugin.atomic import replacing, write_bytes, write_json
from training_loops.errors import InputError


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "sheet.png"
    path.write_bytes(b"old")

    def half_a_picture():
        with replacing(path) as temporary:
            temporary.write_bytes(b"half a pict")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        half_a_picture()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_replaces_the_old_file(tmp_path):
    path = tmp_path / "deep" / "file.bin"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_nan_never_reaches_a_json_file(tmp_path):
    path = tmp_path / "report.json"
    write_json(path, {"a": 1})
    with pytest.raises(InputError, match=r"report\.json: b\.c\[1\] is nan, and JSON has finite numbers only"):
        write_json(path, {"a": 2, "b": {"c": [0.5, float("nan")]}})
    with pytest.raises(InputError, match="the value is -inf"):
        write_json(path, float("-inf"))
    assert json.loads(path.read_text()) == {"a": 1}


def test_the_temporary_file_keeps_its_suffix_for_encoders(tmp_path):
    with replacing(tmp_path / "video.mp4") as temporary:
        assert temporary.suffix == ".mp4"
        assert temporary.parent == tmp_path
