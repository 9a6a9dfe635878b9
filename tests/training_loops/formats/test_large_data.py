"""Data sets of many images: what opening, a preview, a worker and the first grids read of them."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from linkgan_plugin.cli import main
from linkgan_plugin.report.preview import MAX_IMAGES
from training_loops import grids
from training_loops.batches import labels_of
from training_loops.formats import zip_members
from training_loops.formats.archive import ArchiveReader, DatasetError, new_archive
from training_loops.formats.fingerprint import data_record
from training_loops.formats.folder import ImageFolderDataset, write_dataset

IMAGES = 1000
CHECKED = 256
CLASSES = 7


def encoded(side: int) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (side, side), (9, 8, 7)).save(buffer, "png")
    return buffer.getvalue()


@pytest.fixture(scope="module", params=["many.zip", "many"])
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of which one image has another size."""
    path, image, names = tmp_path_factory.mktemp("data") / request.param, encoded(8), []
    with new_archive(path) as archive:
        for n in range(IMAGES):
            names.append(f"{n // 100}/{n:04d}.png")
            archive.write(names[-1], encoded(4) if n == 5 else image)
        labels = [[name, n % CLASSES] for n, name in enumerate(names)]
        archive.write("dataset.json", json.dumps({"labels": labels}).encode())
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often files of a data set are read, and the beginnings of files."""
    counts: Counter[str] = Counter()

    def counted(name: str) -> Callable[..., bytes]:
        plain = getattr(ArchiveReader, name)

        def read(*args: object) -> bytes:
            counts[name] += 1
            return plain(*args)

        return read

    for name in ("read", "head"):
        monkeypatch.setattr(ArchiveReader, name, counted(name))
    return counts


def test_opening_reads_the_headers_of_some_images(many: Path, reads: Counter[str]) -> None:
    assert len(ImageFolderDataset(many)) == IMAGES
    assert reads == {"head": CHECKED}


def test_an_image_of_another_size_is_named_when_it_is_read(many: Path) -> None:
    dataset = ImageFolderDataset(many)
    assert dataset.batch([4, 6])[0].shape == (2, 3, 8, 8)
    with pytest.raises(DatasetError, match=r"'0/0005\.png' is 4x4 with 3 channels, but '0/0000\.png' is 8x8"):
        dataset.batch([5])


def test_a_preview_reads_the_images_that_it_shows(many: Path, reads: Counter[str], tmp_path: Path) -> None:
    args = ["--data", many, "--link", "left=4@box(0,0,0.5,1)", "--out", tmp_path / "preview.png"]
    result = CliRunner().invoke(main, ["regions", "preview", *map(str, args)])
    assert result.exit_code == 0, result.output
    assert reads == {"head": CHECKED, "read": MAX_IMAGES}


def test_a_worker_reads_its_images_only(many: Path, reads: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    received = pickle.dumps(ImageFolderDataset(many, use_labels=True))
    reads.clear()
    monkeypatch.setattr(zip_members, "read_index", lambda *_: pytest.fail("the list was read again"))
    images, labels = pickle.loads(received).batch([8, 999])
    assert (images[:, :, 0, 0] == [9, 8, 7]).all()
    assert labels.argmax(1).tolist() == [1, 999 % CLASSES]
    assert reads == {"read": 2}


def test_fingerprints_of_zips_are_those_of_earlier_versions(tmp_path: Path) -> None:
    path, expected = tmp_path / "a.zip", hashlib.sha256()
    write_dataset(path, np.zeros([3, 8, 8, 3], np.uint8), labels=[0, 1, 2])
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
            expected.update(f"{entry.filename}\0{entry.file_size} {entry.CRC}\n".encode())
    assert data_record(ImageFolderDataset(path, use_labels=True))["fingerprint"] == expected.hexdigest()


def test_labels_are_taken_without_reading_images(many: Path, reads: Counter[str]) -> None:
    dataset = ImageFolderDataset(many, use_labels=True, xflip=True)
    reads.clear()
    assert np.array_equal(dataset.get_classes(), np.tile(np.arange(IMAGES) % CLASSES, 2))
    assert np.array_equal(labels_of(dataset, np.arange(30)), np.eye(CLASSES, dtype=np.float32)[np.arange(30) % CLASSES])
    rows = grids.choose_images(dataset, (8, 9)).reshape(9, 8)
    assert (rows % IMAGES % CLASSES == np.arange(9)[:, None] % CLASSES).all()
    assert not reads


def test_a_grid_does_not_depend_on_how_labels_are_asked_for(many: Path) -> None:
    dataset = ImageFolderDataset(many, use_labels=True)

    class OneByOne:
        label_dim = dataset.label_dim

        def __len__(self) -> int:
            return len(dataset)

        def get_label(self, index: int) -> np.ndarray:
            return dataset.get_label(index)

    assert np.array_equal(grids.choose_images(OneByOne(), (5, 9)), grids.choose_images(dataset, (5, 9)))
