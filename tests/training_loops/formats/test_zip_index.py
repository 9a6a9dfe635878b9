"""The list of entries of large zips: what zipfile lists, and an error for lists that contradict the file."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training_loops.errors import InputError
from training_loops.formats import zip_members
from training_loops.formats.names import Names
from training_loops.formats.zip_index import read_index
from training_loops.formats.zip_members import ZipMembers

LARGE = 0xFFFFFFFF
STORED = [(f"{n // 1000:05d}/img{n:08d}.png", b"%d" % n) for n in range(5)]
OTHER_FIELD = struct.pack("<HH5s", 0x5455, 5, b"times")


def made(
    entries: Sequence[tuple[str, bytes]],
    *,
    wide: bool = False,
    large_end: bool = False,
    count: int | None = None,
    locator: int = 0,
    disks: int = 1,
) -> bytes:
    """Return a zip of stored entries.

    Args:
        wide: whether sizes and offsets are in zip64 extra fields.
        large_end: whether it ends as zip64.
        count: the number of entries that the end gives; None for the right one.
        locator: error of the zip64 locator in bytes.
        disks: the number of files of which the zip is a part.
    """
    parts, listed, at = [], [], 0
    for name, data in entries:
        key, crc = name.encode(), zlib.crc32(data)
        header = struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0, 0, 0, 33, crc, len(data), len(data), len(key), 0)
        parts += [header, key, data]
        extra = OTHER_FIELD + struct.pack("<HH3Q", 1, 24, len(data), len(data), at) if wide else b""
        numbers = (LARGE, LARGE, LARGE) if wide else (len(data), len(data), at)
        facts = (45, 45, 0, 0, 0, 33, crc, *numbers[:2], len(key), len(extra), 0, 0, 0, 0, numbers[2])
        listed += [struct.pack("<4s6H3L5H2L", b"PK\1\2", *facts), key, extra]
        at += len(header) + len(key) + len(data)
    directory = b"".join(listed)
    said = len(entries) if count is None else count
    end = b""
    if large_end:
        end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, said, said, len(directory), at)
        end += struct.pack("<4sLQL", b"PK\6\7", 0, at + len(directory) + locator, disks)
    few = (0xFFFF, 0xFFFF, LARGE, LARGE) if large_end else (said, said, len(directory), at)
    return b"".join([*parts, directory, end, struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *few, 0)])


def members(folder: Path, data: bytes) -> ZipMembers:
    (folder / "x.zip").write_bytes(data)
    return ZipMembers(folder / "x.zip", "x.zip")


def check_as_zipfile(folder: Path, data: bytes, most: int = 10) -> None:
    ours = members(folder, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert list(ours.index.names) == sorted(archive.namelist())
        assert list(ours.index.contents()) == sorted((e.filename, e.file_size, e.CRC) for e in archive.infolist())
        for name in archive.namelist()[:: max(1, len(ours.index.names) // most)]:
            assert ours.read(name, 1 << 20) == archive.read(name)
            assert ours.head(name, 3) == archive.read(name)[:3]


def test_more_entries_than_sixteen_bits_count(tmp_path: Path) -> None:
    entries = [(f"{n % 7}/{n}", b"%d" % n) for n in range(66_000)]
    check_as_zipfile(tmp_path, made(entries, large_end=True))
    without = made(entries, count=len(entries) - (1 << 16))  # as programs without zip64 write it
    assert len(read_index(io.BytesIO(without), "x.zip").names) == 66_000


@pytest.mark.parametrize("large_end", [False, True])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("before", [b"", b"#!/bin/sh\n" * 10])
@pytest.mark.parametrize("comment", [b"", b"a comment that names PK\1\2"])
def test_forms_of_a_zip(tmp_path: Path, wide: bool, large_end: bool, before: bytes, comment: bytes) -> None:
    data = before + made(STORED, wide=wide, large_end=large_end)
    check_as_zipfile(tmp_path, data[:-2] + struct.pack("<H", len(comment)) + comment)


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/\\"), min_size=1, max_size=8)
PATHS = NAMES | st.tuples(NAMES, NAMES).map("/".join)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(NAMES | st.tuples(NAMES, NAMES).map("/".join), st.binary(max_size=50), max_size=8), st.booleans()
)
def test_any_names_and_contents_are_those_of_zipfile(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], deflated: bool
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    check_as_zipfile(tmp_path_factory.getbasetemp(), buffer.getvalue())


def test_names_of_the_format_before_unicode(tmp_path: Path) -> None:
    data = made([("a\xe9", b"1"), ("b", b"2")])  # UTF-8 that claims to be code page 437
    assert list(members(tmp_path, data).index.names) == ["a\u251c\u2310", "b"]
    check_as_zipfile(tmp_path, data)


def test_an_empty_zip_has_no_entries() -> None:
    assert list(read_index(io.BytesIO(made([])), "x.zip").names) == []


def test_names_that_lead_out_of_a_zip_are_names_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"outside")
    folder = tmp_path / "in"
    folder.mkdir()
    assert members(folder, made([("../a.png", b"inside")])).read("../a.png", 100) == b"inside"


def changed(data: bytes, at: int, kind: str, value: int) -> bytes:
    """Return a zip with a number of the list of its last entry changed."""
    place = data.rindex(b"PK\1\2") + at
    new = struct.pack(f"<{kind}", value)
    return data[:place] + new + data[place + len(new) :]


END = 22  # bytes of the end record


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no end record: it is not a zip"),
        (made(STORED)[:-1], "no end record"),
        (bytes(10) + made(STORED)[: -END - 10] + made(STORED)[-END:], "does not begin as an entry"),
        (made(STORED)[-END - 10 :], "not where the end record says"),
        (made(STORED, count=4), "5 entries, but its end says 4"),
        (made(STORED, count=5 + (1 << 16), large_end=True), "5 entries, but its end says 65541"),
        (made(STORED, count=1 << 40, large_end=True), "1099511627776 entries in .* expected at most"),
        (made(STORED, large_end=True, locator=8), "not where its locator says"),
        (made(STORED, large_end=True, disks=2), "join them first"),
        (made([*STORED, STORED[2]]), "'00000/img00000002.png' occurs twice"),
        (made([STORED[3], STORED[1], STORED[3]]), "'00000/img00000003.png' occurs twice"),
        (changed(made(STORED), 8, "H", 1), "'00000/img00000004.png' is encrypted"),
        (changed(made(STORED), 8, "H", 0x40), "is encrypted"),
        (changed(made(STORED), 10, "H", 93), "compressed by method 93, expected stored or deflated"),
        (changed(made(STORED), 6, "B", 99), "needs version 9.9"),
        (changed(made(STORED), 28, "H", 60_000), "its list of entries is cut off"),
        (changed(made(STORED), 28, "H", 20), "its list of entries is cut off"),
        (changed(made(STORED), 42, "L", 0), "overlap"),
        (changed(made(STORED), 42, "L", 1 << 30), "overlap"),
        (changed(made(STORED), 42, "L", LARGE), "overlap"),
        (changed(made(STORED), 20, "L", 1 << 20), "overlap"),
        (changed(made(STORED, wide=True), 46 + 21 + 11, "H", 200), "an extra field is longer than its entry"),
        (changed(made(STORED, wide=True), 46 + 21 + 9, "H", 2), "overlap"),
        (changed(made(STORED, wide=True), 46 + 21 + 11, "H", 8), "does not hold the numbers"),
        (changed(made(STORED, wide=True), 46 + 21 + 13, "Q", 1 << 63), "does not hold the numbers"),
    ],
)
def test_lists_that_contradict_the_file_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=rf"x\.zip: .*{says}"):
        read_index(io.BytesIO(data), "x.zip")


def test_names_that_are_not_text_are_refused() -> None:
    data = changed(made([("a\xe9", b"1")]), 8, "H", 0x800).replace(b"\xc3\xa9", b"\xff\xff")
    with pytest.raises(InputError, match="the name of entry 0 is not text"):
        read_index(io.BytesIO(data), "x.zip")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (made([("a", b"sound")]).replace(b"sound", b"other"), "cannot be read .its checksum differs"),
        (b"XX" + made([("a", b"sound")])[2:], "no entry where the zip directory says"),
        (made([("a", b"sound")]).replace(b"a", b"b", 1), "its header names it 'b'"),
        (changed(made([("a", b"sound")]), 24, "L", 50), "does not have the size given in the zip directory"),
        (changed(made([("a", b"sound")]), 24, "L", 4), "does not have the size given in the zip directory"),
        (changed(made([("a", b"sound")]), 24, "L", 2000), "expands to 2000 bytes, expected at most 1000"),
        (changed(made([("a", b"\xff" * 9)]), 10, "H", 8), "cannot be read .Error -3"),
    ],
)
def test_entries_that_contradict_the_list_are_refused(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=rf"x\.zip: 'a'.*{says}"):
        members(tmp_path, data).read("a", 1000)


def test_a_copy_in_another_process_keeps_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = members(tmp_path, made(STORED))
    copy = pickle.dumps(ours)
    monkeypatch.setattr(zip_members, "read_index", lambda *_: pytest.fail("the list was read again"))
    assert pickle.loads(copy).read(STORED[1][0], 10) == STORED[1][1]
    (tmp_path / "x.zip").write_bytes(made(STORED[1:]))
    with pytest.raises(InputError, match=r"was the file replaced|its header names it"):
        pickle.loads(copy).read(STORED[1][0], 10)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(), unique=True, max_size=20), st.text())
def test_names_are_found_and_sorted_as_strings(names: list[str], other: str) -> None:
    packed, plain = Names.of(names), sorted(names)
    assert list(packed) == plain
    assert [packed.find(name) for name in plain] == list(range(len(plain)))
    assert (other in packed) == (other in names)
    assert list(packed[1:-1]) == plain[1:-1]


def test_file_names_that_are_not_text_are_kept() -> None:
    assert list(Names.of(["\uffff", "a\udcff", "b"])) == ["a\udcff", "b", "\uffff"]
