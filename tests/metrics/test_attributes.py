"""Readers: which data has one, and which attributes a region owns."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics.attributes import classifier_for
from linkgan_plugin.regions.base import Scene
from training_loops.data import faces
from training_loops.data.face_files import write_faces
from training_loops.formats.folder import write_dataset


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "faces.zip"
    write_faces(path, 8, 32, 0)
    return classifier_for(path)


def names(owned):
    return {attribute.name for attribute, yes in zip(faces.ATTRIBUTES, owned, strict=True) if yes}


@pytest.mark.parametrize("size", [16, 32, 128])
def test_a_region_owns_the_attributes_whose_pixels_it_holds(classifier, size):
    spec = LinkSpec.parse(faces.DEMO_LINKS, dim=64)
    scene = Scene(torch.zeros(1, 3, size, size))
    masks = spec.region_masks(scene)
    for row, part in enumerate(("eyes", "mouth")):
        assert names(classifier.owned(scene, masks[row])) == {a.name for a in faces.ATTRIBUTES if a.part == part}


def test_an_empty_region_owns_nothing(classifier):
    assert not classifier.owned(Scene(torch.zeros(2, 3, 32, 32)), torch.zeros(1, 1, 32, 32)).any()


def test_photographs_have_no_reader(tmp_path):
    write_dataset(tmp_path / "photos.zip", np.zeros((4, 16, 16, 3), np.uint8))
    assert classifier_for(tmp_path / "photos.zip") is None
    assert classifier_for(tmp_path / "missing.zip") is None
    assert classifier_for(None) is None


def test_faces_painted_from_other_attributes_have_no_reader(tmp_path):
    names_in_file = json.dumps({"renderer": "faces", "names": ["gaze_x", "beard"]})
    extra = {"attributes.json": json.loads(names_in_file)}
    write_dataset(tmp_path / "old.zip", np.zeros((4, 16, 16, 3), np.uint8), extra=extra)
    assert classifier_for(tmp_path / "old.zip") is None
