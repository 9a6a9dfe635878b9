"""Zips from elsewhere: what programs would read differently, or what unpacks to far more, is refused."""

import io
import warnings
import zipfile

import pytest

from training_loops.errors import InputError
from training_loops.formats.zips import open_zip, read_entry


def packed(entries, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in entries:
            archive.writestr(name, data)
    return buffer


def patched(buffer, old, new):
    data = buffer.getvalue()
    assert old in data
    return io.BytesIO(data.replace(old, new))


def test_entries_come_back():
    archive = open_zip(packed([("a", b"1"), ("b", b"22")], zipfile.ZIP_DEFLATED), "x.zip")
    assert [read_entry(archive, entry, "x.zip", 2) for entry in archive.infolist()] == [b"1", b"22"]


def test_two_entries_of_a_name_are_refused():
    with pytest.raises(InputError, match=r"x\.zip: 'a' occurs twice"):
        open_zip(packed([("a", b"1"), ("a", b"2")]), "x.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_refused(method):
    with pytest.raises(
        InputError, match=r"x\.zip: 'a' is compressed by method \d+, expected stored or deflated entries"
    ):
        open_zip(packed([("a", b"1" * 100)], method), "x.zip")


@pytest.mark.parametrize("method", [9, 93])  # Deflate64, Zstandard
def test_methods_that_python_cannot_read_are_refused(method):
    buffer = packed([("a", b"1" * 100)], zipfile.ZIP_DEFLATED)
    data = bytearray(buffer.getvalue())
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 10 : directory + 12] = method.to_bytes(2, "little")
    with pytest.raises(InputError, match=f"compressed by method {method}"):
        open_zip(io.BytesIO(data), "x.zip")


def test_encrypted_entries_are_refused():
    data = bytearray(packed([("a", b"1")]).getvalue())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match="'a' is encrypted"):
        open_zip(io.BytesIO(data), "x.zip")


def test_an_entry_larger_than_expected_is_refused_before_it_is_unpacked():
    archive = open_zip(packed([("a", bytes(1 << 20))], zipfile.ZIP_DEFLATED), "x.zip")
    with pytest.raises(InputError, match=r"'a' expands to 1048576 bytes, expected at most 1000"):
        read_entry(archive, archive.infolist()[0], "x.zip", 1000)


def test_a_damaged_entry_is_refused():
    archive = open_zip(patched(packed([("a", b"sound")]), b"sound", b"other"), "x.zip")
    with pytest.raises(InputError, match=r"x\.zip: 'a' cannot be read"):
        read_entry(archive, archive.infolist()[0], "x.zip", 100)


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06", b"no zip at all" * 10])
def test_other_files_are_no_zip(data):
    with pytest.raises(InputError, match=r"x\.zip: not a readable zip"):
        open_zip(io.BytesIO(data), "x.zip")
