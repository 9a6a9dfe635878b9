"""Classes and cameras of photographs, and the photographs of one call."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.inversion.conditions import class_label, read_labels
from linkgan_plugin.inversion.photographs import read_photographs
from tests.inversion.conftest import small_generator
from training_loops.formats.folder import write_dataset


def test_a_class_is_a_one_among_zeros():
    assert class_label(1, 3).tolist() == [[0, 1, 0]]
    with pytest.raises(LinkGANError, match="class 3: this network has 0 to 2"):
        class_label(3, 3)
    with pytest.raises(LinkGANError, match="class 0: it has no classes"):
        class_label(0, 0)


def test_one_list_of_numbers_is_for_all(tmp_path):
    path = tmp_path / "camera.json"
    path.write_text("[0.5, 2, -1]")
    assert read_labels(path, ["a.png", "b.png"], 3).tolist() == [[0.5, 2, -1]] * 2


def test_labels_are_found_by_file_name(tmp_path):
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"labels": [["00000/b.png", 2], ["00000/a.png", [1, 2, 3]]]}))
    assert read_labels(path, ["a.png", "b.png"], 3).tolist() == [[1, 2, 3], [0, 0, 1]]
    with pytest.raises(LinkGANError, match=r"dataset.json has no label for c.png"):
        read_labels(path, ["a.png", "c.png"], 3)


def test_a_data_set_tells_its_labels(tmp_path):
    pixels = np.zeros([2, 8, 8, 3], np.uint8)
    write_dataset(tmp_path / "data.zip", pixels, labels=[[1.0, 0.0], [0.25, 0.75]])
    assert read_labels(tmp_path / "data.zip", ["img00000001.png"], 2).tolist() == [[0.25, 0.75]]
    write_dataset(tmp_path / "plain.zip", pixels)
    with pytest.raises(LinkGANError, match=r"plain\.zip"):
        read_labels(tmp_path / "plain.zip", ["img00000001.png"], 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as labels"),
        ("[1, 2]", r"a label \[1, 2\], expected 3 numbers"),
        ('["a", 1, 2]', "expected 3 numbers"),
        ("[1, 2, NaN]", "NaN is not a JSON number"),
        ("[1, 2, 1e999]", "expected 3 numbers"),
        ("[1, 2, 1e39]", "expected 3 numbers"),
        ("[1, 2, {}]", "expected 3 numbers"),
        ("true", "expected 3 numbers"),
        ("7" * 4000, "this network has 0 to 2"),
        ("[" * 9999, "not valid JSON"),
        ('{"cameras": []}', re.escape('expected {"labels": [[file name, label], ...]}')),
        ('{"labels": [["a.png"]]}', "expected"),
        ("7", "class 7: this network has 0 to 2"),
    ],
)
def test_other_labels_are_refused(text, message, tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(LinkGANError, match=message):
        read_labels(path, ["a.png"], 3)


@pytest.fixture
def paths(tmp_path):
    """Three images of 24 x 16; two have one name."""
    found = [tmp_path / name for name in ("a.png", "b.png", "a.jpg")]
    for shade, path in enumerate(found):
        Image.new("RGB", (24, 16), (80 * shade,) * 3).save(path)
    return found


def test_photographs_are_named_cut_and_labelled(paths):
    found = read_photographs(paths[:2], small_generator(c_dim=2), number=1, crop="0,0,8,8")
    assert [photograph.name for photograph in found] == ["a", "b"]
    assert found[1].image.shape == (1, 3, 16, 16)
    assert float(found[1].image.mean()) == pytest.approx(80 / 127.5 - 1, abs=1e-5)
    assert found[0].label.tolist() == [[0, 1]]


def test_landmarks_are_taken_by_name(paths):
    face = np.array([[8.0, 6], [12, 6], [10, 8], [8, 10], [12, 10]])
    generator = small_generator()
    found = read_photographs(paths[:1], generator, landmarks={"a.png": face})
    assert torch.equal(found[0].image, read_photographs(paths[:1], generator, landmarks=face)[0].image)
    with pytest.raises(LinkGANError, match=r"no landmarks for b.png; found those of a.png"):
        read_photographs(paths[:2], generator, landmarks={"a.png": face})


def test_contradictions_are_refused(paths):
    generator = small_generator(c_dim=2)
    with pytest.raises(LinkGANError, match=r"a.png and .*a.jpg would share a folder"):
        read_photographs(paths, generator)
    with pytest.raises(LinkGANError, match="both a crop and landmarks"):
        read_photographs(paths[:1], generator, crop="0,0,1,1", landmarks=np.zeros([5, 2]))
    with pytest.raises(LinkGANError, match="both a class and a file of labels"):
        read_photographs(paths[:1], generator, number=0, camera=paths[0])
