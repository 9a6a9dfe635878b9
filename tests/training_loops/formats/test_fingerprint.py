"""Whether data are still those that a run began with."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from training_loops.formats.fingerprint import changes, data_record
from training_loops.formats.folder import ImageFolderDataset, write_dataset
from training_loops.formats.png import encode

PIXELS = np.random.default_rng(0).integers(0, 256, size=[6, 8, 8, 3], dtype=np.uint8)


def record(path, pixels=PIXELS, labels=(0, 1, 2, 0, 1, 2)):
    write_dataset(path, pixels, labels=list(labels))
    return data_record(ImageFolderDataset(path, use_labels=True))


@pytest.mark.parametrize("suffix", [".zip", ""])
def test_every_change_is_named_and_a_copy_is_the_same(suffix, tmp_path):
    places = (tmp_path / f"{name}{suffix}" for name in "abcdefg")
    before = record(next(places))
    assert before["images"], before["label_dim"] == (6, 3)
    assert changes(before, record(next(places))) == []
    assert changes(before, record(next(places), PIXELS[:5], range(5))) == [
        "images was 6, is 5",
        "label_dim was 3, is 5",
    ]
    other = PIXELS.copy()
    other[3] = 7
    assert changes(before, record(next(places), other)) == ["same number of images, but different images or labels"]
    assert changes(before, record(next(places), labels=(1, 0, 2, 0, 1, 2))) == [
        "same number of images, but different images or labels"
    ]
    assert changes(before, record(next(places), PIXELS[:, :4, :4])) == ["resolution was 8, is 4"]


def test_a_renamed_image_counts_and_other_files_do_not(tmp_path):
    before = record(tmp_path / "a")
    (tmp_path / "a" / "notes.txt").write_text("mine")
    assert changes(before, data_record(ImageFolderDataset(tmp_path / "a", use_labels=True))) == []
    shutil.move(tmp_path / "a" / "00000" / "img00000005.png", tmp_path / "a" / "x.png")
    now = data_record(ImageFolderDataset(tmp_path / "a"))
    assert changes({**before, "label_dim": 0}, now) == ["same number of images, but different images or labels"]


def test_labels_that_are_not_in_use_do_not_count(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(encode(PIXELS[0]))
    before = data_record(ImageFolderDataset(tmp_path / "a"))
    (tmp_path / "a" / "dataset.json").write_text(json.dumps({"labels": [["x.png", 0]]}))
    assert changes(before, data_record(ImageFolderDataset(tmp_path / "a"))) == []


def test_data_without_a_place_are_compared_by_their_numbers(tmp_path):
    class Made:
        resolution, num_channels, label_dim = 8, 3, 0

        def __len__(self):
            return 4

    assert data_record(Made())["fingerprint"] is None
    assert changes({"images": 5, "fingerprint": "x"}, data_record(Made())) == ["images was 5, is 4"]
