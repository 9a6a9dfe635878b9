"""Training the small network: on the procedural faces, whose masks are exact."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.segmentation import training
from linkgan_plugin.segmentation.files import open_segmenter
from linkgan_plugin.segmentation.network import SmallUNet
from training_loops.data.face_files import write_faces
from training_loops.data.faces import PARTS
from training_loops.data.folder import write_dataset


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    write_faces(folder / "faces.zip", 200, 16, seed=0, masks=folder / "masks.zip")
    return folder


def test_it_learns_the_parts_of_faces_and_is_the_same_from_its_file(faces, tmp_path):
    data = training.read_labelled(faces / "faces.zip", faces / "masks.zip")
    assert data.classes == tuple(PARTS)
    losses: list[float] = []
    network = training.train(data, steps=60, batch=16, progress=losses.append)
    before = training.overlaps(SmallUNet(len(PARTS)).eval(), data)
    after = training.overlaps(network, data)
    hair = PARTS.index("hair")
    assert len(losses) == 60
    assert losses[-1] < 0.5 * losses[0]
    assert after[hair] > 0.8 > 0.5 > before[hair]
    training.save_segmenter(tmp_path / "parts.pt", network, data.classes)
    images = training.as_images(data.images[:3])
    assert torch.allclose(open_segmenter(str(tmp_path / "parts.pt")).scores(images), network(images), atol=1e-5)


def test_training_is_the_same_every_time(faces):
    data = training.read_labelled(faces / "faces.zip", faces / "masks.zip")
    first, second = (training.train(data, steps=2, batch=4, seed=3).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("size", [8, 13, 32])
def test_the_network_takes_images_of_any_size(size):
    assert SmallUNet(4, width=4).eval()(torch.zeros(2, 3, size, size)).shape == (2, 4, size, size)


def test_pixels_without_a_label_count_for_nothing(tmp_path):
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (4, 8, 8, 3), np.uint8)
    labels = np.where(random.rand(4, 8, 8) < 0.5, training.IGNORED, 1).astype(np.uint8)
    write_dataset(tmp_path / "a.zip", iter(images))
    write_dataset(tmp_path / "m.zip", iter(labels))
    data = training.read_labelled(tmp_path / "a.zip", tmp_path / "m.zip", ("one", "two"))

    class Always(torch.nn.Module):
        def forward(self, images):
            return torch.tensor([0.0, 1.0])[None, :, None, None].expand(len(images), 2, 8, 8)

    assert training.overlaps(Always(), data)[1] == 1.0
    assert np.isnan(training.overlaps(Always(), data)[0])


def test_maps_that_do_not_fit_are_refused(faces, tmp_path):
    write_faces(tmp_path / "few.zip", 3, 16, seed=0, masks=tmp_path / "few-masks.zip")
    with pytest.raises(LinkGANError, match="holds 200 pictures of 16 pixels"):
        training.read_labelled(faces / "faces.zip", tmp_path / "few-masks.zip")
    with pytest.raises(LinkGANError, match="holds colour pictures"):
        training.read_labelled(faces / "faces.zip", faces / "faces.zip")
    with pytest.raises(LinkGANError, match="only 2 classes are named"):
        training.read_labelled(faces / "faces.zip", faces / "masks.zip", ("a", "b"))
    write_dataset(tmp_path / "plain.zip", iter(np.zeros((3, 16, 16), np.uint8)))
    with pytest.raises(LinkGANError, match="does not name its classes; give their names with --classes"):
        training.read_labelled(tmp_path / "few.zip", tmp_path / "plain.zip")
    write_dataset(tmp_path / "odd.zip", iter(np.zeros((3, 16, 16), np.uint8)), extra={"parts.json": json.loads("[]")})
    with pytest.raises(LinkGANError, match="does not name its classes"):
        training.read_labelled(tmp_path / "few.zip", tmp_path / "odd.zip")
