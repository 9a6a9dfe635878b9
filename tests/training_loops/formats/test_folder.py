"""Data sets in the hosts' format: what is written is read back, and what cannot be used is refused with a reason."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training_loops.formats import png
from training_loops.formats.archive import ArchiveReader, DatasetError
from training_loops.formats.folder import ImageFolderDataset, write_dataset

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def encoded(image: np.ndarray, kind: str = "png", mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    encoded_image = PIL.Image.fromarray(image)
    (encoded_image.convert(mode) if mode else encoded_image).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["data.zip", "folder"])
@pytest.mark.parametrize("images", [IMAGES, IMAGES[..., :1], IMAGES[..., 0]])
def test_images_come_back_as_they_were_written(tmp_path: Path, name: str, images: np.ndarray) -> None:
    assert write_dataset(tmp_path / name, images) == 10
    dataset = ImageFolderDataset(tmp_path / name)
    expected = images.reshape(10, 8, 8, -1).transpose(0, 3, 1, 2)
    assert len(dataset) == 10
    assert dataset.name == name.removesuffix(".zip")
    assert dataset.image_shape == list(expected.shape[1:])
    assert (dataset.num_channels, dataset.resolution) == (expected.shape[1], 8)
    assert not dataset.has_labels
    for i in range(10):
        image, label = dataset[i]
        assert np.array_equal(image, expected[i])
        assert label.shape == (0,)
    pixels, labels = dataset.batch([3, 1, 3])
    assert np.array_equal(pixels, expected[[3, 1, 3]])
    assert labels.shape == (3, 0)


def test_names_and_labels_are_in_the_hosts_format(tmp_path: Path) -> None:
    write_dataset(tmp_path / "a.zip", [IMAGES[0]] * 1001, labels=[1] * 1001, extra={"notes.json": {"a": 1}})
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist()[0] == "00000/img00000000.png"
        assert archive.namelist()[1000] == "00001/img00001000.png"
        assert json.loads(archive.read("dataset.json"))["labels"][1000] == ["00001/img00001000.png", 1]
        assert json.loads(archive.read("notes.json")) == {"a": 1}
    write_dataset(tmp_path / "b", IMAGES)
    assert json.loads((tmp_path / "b" / "dataset.json").read_text()) == {"labels": None}


def test_classes_become_one_hot_and_vectors_stay(tmp_path: Path) -> None:
    classes = [0, 2, 1, 2, 0, 0, 3, 1, 2, 0]
    write_dataset(tmp_path / "classes.zip", IMAGES, labels=classes)
    dataset = ImageFolderDataset(tmp_path / "classes.zip", use_labels=True)
    assert (dataset.label_shape, dataset.has_labels, dataset.has_onehot_labels) == ([4], True, True)
    assert np.array_equal(dataset.batch(range(10))[1], np.eye(4, dtype=np.float32)[classes])
    cameras = RNG.normal(size=(10, 25)).astype(np.float32)
    write_dataset(tmp_path / "cameras.zip", IMAGES, labels=cameras.tolist())
    dataset = ImageFolderDataset(tmp_path / "cameras.zip", use_labels=True)
    assert (dataset.label_dim, dataset.has_onehot_labels) == (25, False)
    assert np.array_equal(dataset.batch(range(10))[1], cameras)
    assert np.array_equal(dataset[4][1], cameras[4])


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 10), seed=st.integers(0, 99), flip=st.booleans(), rows=st.lists(st.integers(0, 19)))
def test_a_part_of_the_images_and_their_mirror_images(
    tmp_path_factory: pytest.TempPathFactory, count: int, seed: int, flip: bool, rows: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "shared.zip"
    if not path.exists():
        write_dataset(path, IMAGES, labels=list(range(10)))
    dataset = ImageFolderDataset(path, use_labels=True, max_size=count, xflip=flip, random_seed=seed)
    order = np.arange(10)
    if count < 10:
        np.random.RandomState(seed).shuffle(order)
        order = np.sort(order[:count])
    expected = [(IMAGES[i].transpose(2, 0, 1), i) for i in order]
    expected += [(image[:, :, ::-1], i) for image, i in expected] if flip else []
    assert len(dataset) == len(expected)
    rows = [row % len(expected) for row in rows]
    pixels, labels = dataset.batch(rows)
    for n, row in enumerate(rows):
        image, label = dataset[row]
        assert np.array_equal(image, expected[row][0])
        assert label.argmax() == expected[row][1]
        assert np.array_equal(image, pixels[n])
        assert np.array_equal(label, labels[n])


def test_a_batch_is_the_callers_own(tmp_path: Path) -> None:
    write_dataset(tmp_path / "a.zip", IMAGES)
    dataset = ImageFolderDataset(tmp_path / "a.zip", xflip=True)
    dataset.batch([0, 10])[0][:] = 0
    dataset[0][0][:] = 0
    assert np.array_equal(dataset.batch([0])[0][0], IMAGES[0].transpose(2, 0, 1))


def test_images_too_many_to_keep_are_read_every_time(tmp_path: Path) -> None:
    write_dataset(tmp_path / "a", IMAGES)
    small, large = (
        ImageFolderDataset(tmp_path / "a", cache_bytes=size) for size in (8 * 8 * 3 * 10 - 1, 8 * 8 * 3 * 10)
    )
    assert np.array_equal(small.batch(range(10))[0], large.batch(range(10))[0])
    for path in (tmp_path / "a" / "00000").iterdir():
        path.unlink()
    assert np.array_equal(large.batch([5])[0][0], IMAGES[5].transpose(2, 0, 1))
    with pytest.raises(DatasetError, match=r"'00000/img00000005\.png': cannot be read"):
        small.batch([5])


def test_a_data_set_survives_pickling(tmp_path: Path) -> None:
    write_dataset(tmp_path / "a.zip", IMAGES, labels=list(range(10)))
    dataset = ImageFolderDataset(tmp_path / "a.zip", use_labels=True)
    before = dataset.batch(range(10))
    data = pickle.dumps(dataset)
    assert len(data) < 4000, "decoded images do not travel"
    after = pickle.loads(data).batch(range(10))
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_pillow_reads_the_same_pixels_where_pyspng_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = [encoded(IMAGES[0]), encoded(IMAGES[0], mode="L"), encoded(IMAGES[0], mode="RGBA")]
    with_pyspng = [png.decode(d) for d in data]
    monkeypatch.setattr(png, "pyspng", None)
    for first, second in zip(with_pyspng, map(png.decode, data), strict=True):
        assert np.array_equal(first, second)


def test_other_formats_and_palettes_are_read_as_colours(tmp_path: Path) -> None:
    bmp = write_zip(tmp_path / "bmp.zip", {"x.BMP": encoded(IMAGES[0], "bmp"), "readme.txt": b"hello"})
    assert np.array_equal(ImageFolderDataset(bmp)[0][0], IMAGES[0].transpose(2, 0, 1))
    flat = np.full((8, 8, 3), (200, 10, 60), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(flat).quantize(4).save(buffer, "png")
    palette = write_zip(tmp_path / "palette.zip", {"x.png": buffer.getvalue()})
    assert ImageFolderDataset(palette).image_shape == [3, 8, 8]
    assert np.array_equal(ImageFolderDataset(palette)[0][0], flat.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"a.txt": b""}, {}, "contains no images; expected files such as 00000/img00000000.png"),
        ({"a.png": encoded(IMAGES[0][:4])}, {}, r"'a.png' is 8x4, expected a square with a side of 2\^k"),
        ({"a.png": encoded(IMAGES[0][:6, :6])}, {}, "'a.png' is 6x6, expected a square"),
        ({"a.png": encoded(IMAGES[0], mode="RGBA")}, {}, r"4 channels, expected 1 \(grey\) or 3 \(RGB\)"),
        (
            {"a.png": encoded(IMAGES[0]), "b.png": encoded(IMAGES[0][:4, :4])},
            {},
            "'b.png' is 4x4 with 3 channels, but 'a.png' is 8x8 with 3 channels",
        ),
        ({"a.png": encoded(IMAGES[0])}, {"resolution": 16}, "is 8x8, but resolution 16 was requested"),
        ({"a.png": encoded(IMAGES[0])}, {"max_size": 0}, "max_size is 0"),
        ({"a.png": encoded(IMAGES[0])}, {"use_labels": True}, r"no labels \(dataset.json\)"),
        ({"a.png": encoded(IMAGES[0]), "dataset.json": b'{"labels": null}'}, {"use_labels": True}, "has no labels"),
        (
            {"a.png": encoded(IMAGES[0]), "dataset.json": b"{"},
            {"use_labels": True},
            "'dataset.json': not valid JSON",
        ),
        (
            {"a.png": encoded(IMAGES[0]), "dataset.json": b'{"labels": {"a.png": 1}}'},
            {"use_labels": True},
            r"labels as pairs of \[image name, label\]",
        ),
        (
            {"a.png": encoded(IMAGES[0]), "dataset.json": b'{"labels": [["b.png", 1]]}'},
            {"use_labels": True},
            "no label for 1 images: a.png",
        ),
        (
            {"a.png": encoded(IMAGES[0]), "dataset.json": b'{"labels": [["a.png", 1.5]]}'},
            {"use_labels": True},
            "expected one class",
        ),
        ({"a.jpg": b"no image"}, {}, "'a.jpg' is not a readable image"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, files: dict[str, bytes], options: dict[str, int], message: str
) -> None:
    path = write_zip(tmp_path / "data.zip", files)
    with pytest.raises(DatasetError, match=message) as caught:
        ImageFolderDataset(path, **options)
    assert "max_size" in options or str(path) in str(caught.value)


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        ImageFolderDataset(tmp_path / "nowhere.zip")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(DatasetError, match="not a zip"):
        ImageFolderDataset(tmp_path / "text.zip")


def test_a_damaged_zip_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(1000) + encoded(IMAGES[0]))
    data = bytearray(path.read_bytes())
    data[35:39] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"'a\.png' cannot be read"):
        ArchiveReader(path).read("a.png")


def test_a_truncated_image_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "data.zip", {"a.png": encoded(IMAGES[0])[:80]})
    with pytest.raises(DatasetError, match=r"'a.png' is not a readable image"):
        ImageFolderDataset(path).batch([0])


@pytest.mark.parametrize("name", ["data.zip", "folder"])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    def broken() -> object:
        yield IMAGES[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / name, broken())
    for images, labels, message in (
        ([], None, "no images"),
        (IMAGES, [1], "10 images but 1 labels"),
        ([IMAGES[0], IMAGES[0][..., :1]], None, r"image 1 is \[8, 8, 1\], but the first one is \[8, 8, 3\]"),
        ([IMAGES[0].astype(float)], None, "image 0 is float64"),
        ([IMAGES[0][:6]], None, r"\[6, 8, 3\], expected uint8"),
        (IMAGES, [[1.0], [2.0, 3.0]], "different lengths"),
        (IMAGES, [-1] * 10, "expected one class"),
    ):
        with pytest.raises(DatasetError, match=message):
            write_dataset(tmp_path / name, images, labels=labels)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "data.zip").write_bytes(b"mine")
    for name in ("folder", "data.zip"):
        with pytest.raises(DatasetError, match="exists already"):
            write_dataset(tmp_path / name, IMAGES)
    assert (tmp_path / "data.zip").read_bytes() == b"mine"


def test_a_file_that_is_no_image_is_named_and_no_buffer_of_ours(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"not an image")
    with pytest.raises(DatasetError, match=r"'a.jpg' is not a readable image .expected PNG"):
        ImageFolderDataset(tmp_path)
