"""Whole files: only regular ones, only up to a size, and never by waiting."""

import os

import pytest

from training_loops.errors import InputError
from training_loops.formats.files import read_file
from training_loops.formats.text import printable


def test_a_file_of_the_largest_size_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_file(tmp_path / "a", 5) == b"12345"
    with pytest.raises(InputError, match=r"^label: 5 bytes, expected at most 4$"):
        read_file(tmp_path / "a", 4, "label")


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, "/dev/zero"):
        with pytest.raises(InputError, match=r"cannot be read \(a folder, FIFO, socket or device"):
            read_file(path, 5)
    with pytest.raises(InputError, match="No such file"):
        read_file(tmp_path / "nowhere", 5)
    with pytest.raises(InputError, match="null"):
        read_file("a\0b", 5)


def test_a_message_cannot_steer_a_terminal():
    assert (
        printable("a\x1b[2J\nb\u202e é")
        == "a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER} é"
    )
