"""Training the small network: on the procedural faces, whose masks are exact."""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.segmentation import training
from linkgan_plugin.segmentation.architectures.small_unet import SmallUNet
from linkgan_plugin.segmentation.files import open_segmenter
from training_loops.data.face_files import write_faces
from training_loops.data.faces import PARTS
from training_loops.formats.folder import write_dataset


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
    path = tmp_path / "parts.safetensors"
    training.save_segmenter(path, network, data.classes)
    images = training.as_images(data.images[:3])
    assert torch.allclose(open_segmenter(path).scores(images), network(images), atol=1e-5)


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
    labels[:, 0, 0] = 0
    write_dataset(tmp_path / "m.zip", iter(labels))
    data = training.read_labelled(tmp_path / "a.zip", tmp_path / "m.zip", ("one", "two"))
    data.labels[:, 0, 0] = training.IGNORED

    class Always(torch.nn.Module):
        def forward(self, images):
            return torch.tensor([0.0, 1.0])[None, :, None, None].expand(len(images), 2, 8, 8)

    assert training.overlaps(Always(), data)[1] == 1.0
    assert np.isnan(training.overlaps(Always(), data)[0])


def test_maps_that_do_not_fit_are_refused(faces, tmp_path):
    write_faces(tmp_path / "few.zip", 3, 16, seed=0, masks=tmp_path / "few-masks.zip")
    few = r"197 names are only in .*faces\.zip: '00000/img00000003', '00000/img00000004', '00000/img00000005', \.\.\."
    with pytest.raises(LinkGANError, match=few):
        training.read_labelled(faces / "faces.zip", tmp_path / "few-masks.zip")
    with pytest.raises(LinkGANError, match=r"197 names are only in .*masks\.zip"):
        training.read_labelled(tmp_path / "few.zip", faces / "masks.zip")
    write_dataset(tmp_path / "large.zip", iter(np.zeros((3, 32, 32), np.uint8)))
    with pytest.raises(LinkGANError, match="label maps of 32; expected the same size"):
        training.read_labelled(tmp_path / "few.zip", tmp_path / "large.zip")
    with pytest.raises(LinkGANError, match="contains colour images"):
        training.read_labelled(faces / "faces.zip", faces / "faces.zip")
    with pytest.raises(LinkGANError, match="only 2 classes are named"):
        training.read_labelled(faces / "faces.zip", faces / "masks.zip", ("a", "b"))
    write_dataset(tmp_path / "plain.zip", iter(np.zeros((3, 16, 16), np.uint8)))
    with pytest.raises(LinkGANError, match=r"contains no class names \(parts.json\); give them with --classes"):
        training.read_labelled(tmp_path / "few.zip", tmp_path / "plain.zip")
    write_dataset(tmp_path / "odd.zip", iter(np.zeros((3, 16, 16), np.uint8)), extra={"parts.json": json.loads("[]")})
    with pytest.raises(LinkGANError, match="contains no class names"):
        training.read_labelled(tmp_path / "few.zip", tmp_path / "odd.zip")


def folder_of(path, images):
    """Write images by name as a folder of PNGs."""
    for name, image in images.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(image).save(path / name)
    return path


def test_images_and_label_maps_are_paired_by_their_names(tmp_path):
    random = np.random.RandomState(0)
    labels = {f"{n}": (random.rand(8, 8) < 0.5).astype(np.uint8) for n in range(20)}
    # Sorted with their suffixes, these come in different orders.
    images = {f"{n}{'.png' if int(n) % 2 else '-a.png'}": np.uint8(labels[n] * 255) for n in labels}
    maps = {f"{n}{'.PNG' if int(n) % 2 else '-a.png'}": label for n, label in labels.items()}
    data = training.read_labelled(
        folder_of(tmp_path / "images", images), folder_of(tmp_path / "maps", maps), ("dark", "light")
    )
    assert np.array_equal(data.images[:, 0], data.labels * 255)


def test_a_pair_that_is_none_is_named(tmp_path):
    grey = np.zeros((8, 8), np.uint8)
    images = folder_of(tmp_path / "images", {"a.png": grey, "b.png": grey, "c.png": grey})
    maps = folder_of(tmp_path / "maps", {"a.png": grey, "b.png": grey, "d.png": grey})
    with pytest.raises(
        LinkGANError, match=r"1 names are only in .*images: 'c'; .* provide one label map for every image"
    ):
        training.read_labelled(images, maps, ("x",))
    with pytest.raises(LinkGANError, match="same name"):
        training.read_labelled(folder_of(tmp_path / "twice", {"a.png": grey, "a.PNG": grey}), maps, ("x",))


def test_a_class_without_a_pixel_is_named(faces, tmp_path):
    names = (*PARTS, "wings", "horns")
    with pytest.raises(LinkGANError, match="has a pixel of 'wings', 'horns', so they cannot be learned"):
        training.read_labelled(faces / "faces.zip", faces / "masks.zip", names)
