"""The heads' classifier learns from a data set, knows whose attributes a box shows, and fits in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics import head_classifier
from linkgan_plugin.metrics.face_classifier import FaceClassifier
from linkgan_plugin.metrics.head_classifier import (
    HeadClassifier,
    correlations,
    load_head_classifier,
    save_head_classifier,
    train_head_classifier,
)
from linkgan_plugin.regions.base import Scene
from training_loops.data.face_files import write_faces
from training_loops.data.head_cameras import sample_cameras
from training_loops.data.head_files import write_heads
from training_loops.data.heads3d import ATTRIBUTES, part_boxes, render, sample_attributes


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> HeadClassifier:
    """A classifier of 256 heads, kept in a file and opened again."""
    folder = tmp_path_factory.mktemp("classifier")
    write_heads(folder / "heads.zip", 256, 32, seed=0)
    steps: list[float] = []
    network = train_head_classifier(folder / "heads.zip", progress=steps.append)
    assert len(steps) == head_classifier.training_steps(folder / "heads.zip") == 32
    save_head_classifier(folder / "classifier.pt", network)
    opened = load_head_classifier(folder / "classifier.pt")
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    assert torch.equal(opened.attributes(images), network.attributes(images))
    assert opened.features(images).shape == (3, 48)
    return opened


def test_plain_attributes_of_other_heads_are_read_after_a_few_steps(classifier: HeadClassifier) -> None:
    found = correlations(classifier, count=80)
    assert list(found) == [attribute.name for attribute in ATTRIBUTES]
    assert min(found["sky_light"], found["shirt_hue"]) > 0.7
    assert all(-1 <= r <= 1 for r in found.values())


class Knowing(HeadClassifier):
    """Reads what was rendered, exactly."""

    def __init__(self, truth: torch.Tensor) -> None:
        self._truth = truth

    def attributes(self, images: torch.Tensor) -> torch.Tensor:
        return self._truth


@pytest.mark.parametrize("part", ["mouth", "nose", "eyes"])
def test_a_box_around_a_part_owns_its_attributes_and_no_others_from_every_side(part: str) -> None:
    truth, cameras = sample_attributes(16, seed=2), sample_cameras(16, seed=2)
    views = render(truth, cameras, 32)
    scene = Scene(views.images, views.depth, cameras)
    box = ",".join(map(str, part_boxes()[part]))
    mask = LinkSpec.parse([f"piece=4@box3d({box})"], dim=8).region_masks(scene)[0]
    owned = Knowing(truth).owned(scene, mask)
    assert {attribute.part for attribute, mine in zip(ATTRIBUTES, owned, strict=True) if mine} == {part}
    assert not Knowing(truth).owned(scene, torch.zeros_like(mask)).any()


def test_images_without_cameras_are_refused(classifier: HeadClassifier) -> None:
    with pytest.raises(LinkGANError, match="need the camera"):
        classifier.owned(Scene(torch.zeros(1, 3, 32, 32)), torch.ones(1, 1, 32, 32))


def test_data_of_other_things_is_refused(tmp_path: Path) -> None:
    write_faces(tmp_path / "faces.zip", 2, 16, seed=0)
    with pytest.raises(LinkGANError, match="expected those of procedural heads"):
        train_head_classifier(tmp_path / "faces.zip")


def test_a_reader_of_other_heads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_head_classifier(tmp_path / "classifier.pt", FaceClassifier(len(head_classifier.NAMES)))
    monkeypatch.setattr(head_classifier.heads3d, "VERSION", 99)
    with pytest.raises(LinkGANError, match="is for other heads, expected version 99"):
        load_head_classifier(tmp_path / "classifier.pt")
