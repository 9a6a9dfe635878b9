"""Data sets made to fill the memory, to hang or to mislead: each is refused in one line that names the file."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from training_loops.errors import InputError
from training_loops.formats import png
from training_loops.formats.archive import DatasetError
from training_loops.formats.budget import DATA_SIDE, MOST_CLASSES
from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.png import decode, is_image

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def encoded(kind: str = "png", size: int = 8) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(PIXELS).resize((size, size)).save(buffer, kind)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, data: bytes, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">II5B", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")
    )


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def refused(path: Path, **options: object) -> str:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DatasetError) as caught:
        ImageFolderDataset(path, **options).batch([0])  # type: ignore[arg-type]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) >> 10
    assert grown < 300, f"{grown} MiB"
    message = str(caught.value)
    assert message.isprintable()
    assert "<_io" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("2147483648", f"class 2147483648, expected classes from 0 to {MOST_CLASSES - 1}"),
        (str(MOST_CLASSES), f"class {MOST_CLASSES}, expected classes"),
        ("20240131", "class 20240131, expected classes"),
        ('"2024-01-31"', "a label '2024-01-31'; expected one class"),
        ('"%s"' % ("x" * 1_000_000), "a label 'xxx"),
        ('{"class": 1}', "a label {'class': 1}; expected one class"),
        ("[[1, 2], [3, 4]]", "a label [[1, 2], [3, 4]]; expected one class"),
        ("null", "a label None"),
        ("true", "a label True"),
        ("1e999", "a label inf"),
        ("[1e300, 0]", "a label [1e+300, 0]"),
        ("[-1e999]", "a label [-inf]"),
        ("-1", "expected one class"),
        ("1.5", "expected one class"),
        ("NaN", "NaN is not a JSON number"),
        ("1" * 5000, "not valid JSON"),
        ("1" * 4000, "a label 111"),
        ("[" * 10_000, "not valid JSON"),
        (json.dumps([0] * (MOST_CLASSES + 1)), f"labels of {MOST_CLASSES + 1} numbers, expected at most"),
    ],
    ids=lambda value: value[:16],
)
def test_labels_that_are_no_labels(tmp_path: Path, label: str, says: str) -> None:
    table = f'{{"labels": [["a.png", {label}]]}}'.encode()
    path = write_zip(tmp_path / "data.zip", {"a.png": encoded(), "dataset.json": table})
    assert says in refused(path, use_labels=True)


@pytest.mark.parametrize(
    "labels", ["[[1, 2, 3]]", "[null]", "[[{}, 1]]", '[["a.png"]]', '"a.png"', '{"a.png": 1}', "[1]", "1"]
)
def test_tables_of_another_shape(tmp_path: Path, labels: str) -> None:
    table = f'{{"labels": {labels}}}'.encode()
    path = write_zip(tmp_path / "data.zip", {"a.png": encoded(), "dataset.json": table})
    assert "labels as pairs of [image name, label]" in refused(path, use_labels=True)


def test_one_long_text_does_not_make_all_labels_long(tmp_path: Path) -> None:
    pairs = [[f"{n}.png", "x" * (10_000_000 if n == 0 else 1)] for n in range(300)]
    files = {f"{n}.png": encoded() for n in range(300)} | {"dataset.json": json.dumps({"labels": pairs}).encode()}
    assert "a label 'xxx" in refused(write_zip(tmp_path / "data.zip", files), use_labels=True)


def test_files_of_many_bytes_in_a_small_zip(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    zeros = bytes(1 << 20)
    for name, says in (("dataset.json", "'dataset.json' expands to"), ("b.jpg", "'b.jpg' expands to")):
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.png", encoded())
            with archive.open(name, "w") as file:
                for _ in range(100):
                    file.write(zeros)
        assert says in refused(bomb, use_labels=True)


@pytest.mark.parametrize("pillow", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        png_of(8192, 8192, bytes(8192 * 24577)),
        png_of(2**31 - 1, 2**31 - 1, b""),
        png_of(DATA_SIDE * 2, 4, bytes(4)),
        png_of(8, 8, bytes(20)),
        png_of(8, 8, b""),
    ],
    ids=["large", "largest", "wide", "short", "empty"],
)
def test_headers_that_lie_or_claim_too_much(
    tmp_path: Path, data: bytes, pillow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pillow:
        monkeypatch.setattr(png, "pyspng", None)
    assert "'a.png' is" in refused(write_zip(tmp_path / "data.zip", {"a.png": data}))


@pytest.mark.parametrize("kind", ["jpeg", "webp", "bmp", "gif"])
def test_other_formats_are_measured_before_they_are_decoded(tmp_path: Path, kind: str) -> None:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (2 * DATA_SIDE, 2 * DATA_SIDE)).save(buffer, kind)
    if kind == "bmp":
        buffer = io.BytesIO(buffer.getvalue()[:4000])
    assert "4096 x 4096 pixels, expected at most 4.19 million" in refused(
        write_zip(tmp_path / "data.zip", {f"a.{kind}": buffer.getvalue()})
    )


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("pillow", [False, True])
def test_notes_in_a_png_are_not_unfolded(kind: bytes, pillow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if pillow:
        monkeypatch.setattr(png, "pyspng", None)
    note = {b"iCCP": b"x\0\0", b"zTXt": b"x\0\0", b"iTXt": b"x\0\1\0\0\0"}[kind]
    rows = b"".join(b"\0" + row.tobytes() for row in PIXELS)
    packer, zeros = zlib.compressobj(1), bytes(1 << 20)
    bomb = b"".join(packer.compress(zeros) for _ in range(400)) + packer.flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(InputError):
        assert np.array_equal(decode(png_of(8, 8, rows, chunk(kind, note + bomb))), PIXELS.transpose(2, 0, 1))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 100 << 10


@pytest.mark.parametrize("kind", ["eps", "tiff", "ppm", "ico", "pcx", "pdf", "tga"])
def test_other_formats_are_refused_whatever_their_name(tmp_path: Path, kind: str) -> None:
    for name in ("a.png", f"a.{kind}"):
        path = write_zip(tmp_path / "data.zip", {name: encoded(kind)})
        expected = "expected PNG or JPEG or WEBP or BMP or GIF" if kind != "pdf" or name == "a.png" else ""
        assert f"'{name}' is not a readable image ({expected}" in refused(path)


def test_a_jpeg_of_many_scans_is_refused() -> None:
    buffer = io.BytesIO()
    PIL.Image.fromarray(PIXELS).save(buffer, "jpeg", progressive=True)
    assert decode(buffer.getvalue()).shape == (3, 8, 8)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    with pytest.raises(InputError, match="more than 100 scans"):
        decode(data[:last] + data[last:-2] * 100 + data[-2:])


def packed(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED, flags: int = 0) -> bytes:
    """A zip whose list of entries claims a method and flags."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries:
            archive.writestr(name, data)
    data = bytearray(buffer.getvalue())
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8 : at + 12] = struct.pack("<HH", flags, method)
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (packed(("a.png", encoded()), flags=1), "'a.png' is encrypted"),
        (packed(("a.png", encoded()), method=9), "'a.png' is compressed by method 9"),
        (packed(("a.png", encoded()), method=93), "'a.png' is compressed by method 93"),
        (packed(("a.png", encoded()), ("a.png", encoded())), "'a.png' occurs twice"),
        (b"PK\x05\x06" + bytes(18), "contains no images"),
        (b"no zip", "not a zip"),
        (packed(("a\x1b[2J\n.png", b"x")), "a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}.png"),
    ],
)
def test_zips_that_programs_read_differently(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "data.zip").write_bytes(data)
    assert says in refused(tmp_path / "data.zip")


def test_only_files_inside_the_folder_are_read(tmp_path: Path) -> None:
    folder, outside = tmp_path / "data", tmp_path / "outside.png"
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "a.png").write_bytes(encoded())
    outside.write_bytes(encoded())
    (folder / "b.png").symlink_to("0/a.png")
    (folder / "loop").symlink_to(folder)
    assert len(ImageFolderDataset(folder)) == 2
    for make in (
        lambda path: path.symlink_to(outside),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("nowhere"),
        os.mkfifo,
    ):
        make(folder / "c.png")
        assert f"'{folder / 'c.png'}' is not a file in it" in refused(folder)
        (folder / "c.png").unlink()


def test_a_fifo_or_device_as_data_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data.zip")
    assert "a FIFO, socket or device" in refused(tmp_path / "data.zip")
    assert "a FIFO, socket or device" in refused(Path("/dev/zero"))


@pytest.mark.parametrize("name", ["._a.png", "0/._a.png", "__MACOSX/a.png", "0/__MACOSX/0/a.png", "0\\__MACOSX\\a.png"])
def test_what_macos_adds_is_passed_over(tmp_path: Path, name: str) -> None:
    assert not is_image(name)
    assert is_image(name.replace("._", "").replace("__", ""))
    path = write_zip(tmp_path / "data.zip", {"a.png": encoded(), name: b"\0\5\x16\7"})
    assert len(ImageFolderDataset(path)) == 1


@pytest.mark.parametrize("table", ["0/a.png", "0\\\\a.png"])
@pytest.mark.parametrize("name", ["0/a.png", "0\\a.png"])
def test_labels_are_found_whichever_way_the_slashes_lean(tmp_path: Path, name: str, table: str) -> None:
    labels = f'{{"labels": [["{table}", 3]]}}'.encode()
    dataset = ImageFolderDataset(
        write_zip(tmp_path / "data.zip", {name: encoded(), "dataset.json": labels}), use_labels=True
    )
    assert dataset.get_label(0).tolist() == [0, 0, 0, 1]
    assert np.array_equal(dataset.batch([0])[0][0], PIXELS.transpose(2, 0, 1))
