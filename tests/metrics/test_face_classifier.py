"""The shipped classifier reads fresh faces, also roughened and recombined ones, and its features tell quality."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics import face_classifier
from linkgan_plugin.metrics.face_classifier import (
    FaceClassifier,
    correlations,
    load_face_classifier,
    save_face_classifier,
)
from linkgan_plugin.metrics.face_classifier_training import roughen, splice
from linkgan_plugin.metrics.frechet import frechet_distance
from training_loops.data.faces import ATTRIBUTES, EYES_BOX, part_axes, render, sample_attributes

LEAST = {"glasses": 0.96}  # thin frames fade out


@pytest.fixture(scope="module")
def classifier() -> FaceClassifier:
    return load_face_classifier()


@pytest.fixture(scope="module")
def faces() -> tuple[Tensor, Tensor]:
    attributes = sample_attributes(1000, 77_777)
    return render(attributes, 32)[0], attributes


def correlation(read: Tensor, truth: Tensor) -> Tensor:
    read, truth = read - read.mean(0), truth - truth.mean(0)
    return (read * truth).sum(0) / (read.square().sum(0) * truth.square().sum(0)).sqrt()


def test_every_attribute_of_fresh_faces_is_read(classifier: FaceClassifier) -> None:
    found = correlations(classifier, count=600)
    assert list(found) == [attribute.name for attribute in ATTRIBUTES]
    too_low = {name: r for name, r in found.items() if r < LEAST.get(name, 0.98)}
    assert not too_low


def test_readings_are_on_the_scale_of_the_truth(classifier: FaceClassifier, faces: tuple[Tensor, Tensor]) -> None:
    images, truth = faces
    error = classifier.attributes(images) - truth
    assert error.mean(0).abs().max() < 0.03
    assert error.square().mean(0).max() < 0.008  # knowing nothing gives 1 / 12


def test_rough_images_are_read_as_well(classifier: FaceClassifier, faces: tuple[Tensor, Tensor]) -> None:
    torch.manual_seed(0)
    images, truth = roughen(*faces)
    found = correlation(classifier.attributes(images), truth)
    assert found.min() > 0.94
    assert found.mean() > 0.98


def test_eyes_are_read_from_the_eyes_whatever_surrounds_them(
    classifier: FaceClassifier, faces: tuple[Tensor, Tensor]
) -> None:
    images, truth = faces
    x0, y0, x1, y1 = (round(edge * 32) for edge in EYES_BOX)
    mixed = images.clone()
    mixed[:, :, y0:y1, x0:x1] = images.roll(1, 0)[:, :, y0:y1, x0:x1]
    read, eyes = classifier.attributes(mixed), list(part_axes("eyes"))
    assert correlation(read, truth.roll(1, 0))[eyes].min() > 0.95
    assert correlation(read, truth)[eyes].abs().max() < 0.12
    assert correlation(read, truth)[list(part_axes("mouth"))].min() > 0.95


@pytest.mark.parametrize("size", [64, 128])
def test_larger_images_are_read_like_small_ones(classifier: FaceClassifier, size: int) -> None:
    attributes = sample_attributes(40, 3)
    small, large = (classifier.attributes(render(attributes, s)[0]) for s in (32, size))
    assert (small - large).abs().mean() < 0.02


def test_the_batch_changes_nothing(classifier: FaceClassifier, faces: tuple[Tensor, Tensor]) -> None:
    images = faces[0][:300]
    alone = torch.cat([classifier.features(image[None]) for image in images[250:260]])
    together = classifier.features(images)
    assert together.shape == (300, 48)
    assert torch.allclose(together[250:260], alone, atol=1e-4)
    assert classifier.attributes(images[:0]).shape == (0, len(ATTRIBUTES))


def test_the_distance_of_features_grows_with_the_damage(
    classifier: FaceClassifier, faces: tuple[Tensor, Tensor]
) -> None:
    first, second = faces[0][:500], faces[0][500:]
    noise = torch.randn(second.shape, generator=torch.Generator().manual_seed(0))
    halves = torch.cat([second[:, :, :, 16:], second.roll(1, 0)[:, :, :, :16]], 3)
    real = classifier.features(first)
    clean, little, much, wrong = (
        frechet_distance(real, classifier.features(x))
        for x in (second, second + 0.2 * noise, second + 0.4 * noise, halves)
    )
    assert clean < little < much / 2
    assert wrong > 2 * clean


def test_splicing_moves_attributes_with_the_pixels() -> None:
    torch.manual_seed(0)
    truth = sample_attributes(64, 0)
    images = render(truth, 32)[0]
    spliced, labels = splice(images, truth, share=0.5)
    x0, y0, x1, y1 = (round(edge * 32) for edge in EYES_BOX)
    eyes = torch.tensor(part_axes("eyes"))
    moved = (labels[:, eyes] != truth[:, eyes]).any(1)
    assert 16 <= moved.sum() <= 48
    for i in moved.nonzero()[:, 0]:
        donor = (truth[:, eyes] == labels[i, eyes]).all(1).nonzero().item()
        assert torch.equal(spliced[i, :, y0:y1, x0:x1], images[donor, :, y0:y1, x0:x1])


def test_unusable_images_and_files_are_refused(
    classifier: FaceClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LinkGANError, match=r"\[2, 1, 32, 32\], expected \[N, 3, H, W\]"):
        classifier.features(torch.zeros(2, 1, 32, 32))
    monkeypatch.setattr(face_classifier, "WEIGHTS", tmp_path / "classifier.pt")
    with pytest.raises(LinkGANError, match="is missing"):
        load_face_classifier()
    save_face_classifier(classifier)
    assert torch.equal(
        load_face_classifier().features(torch.zeros(1, 3, 32, 32)), classifier.features(torch.zeros(1, 3, 32, 32))
    )
    monkeypatch.setattr(face_classifier, "VERSION", 99)
    with pytest.raises(LinkGANError, match="expected version 99"):
        load_face_classifier()


def test_images_go_to_where_the_reader_is() -> None:
    # "meta" is a device that computes nothing: a network on it shows where its inputs would go.
    assert load_face_classifier("meta").attributes(torch.zeros(3, 3, 64, 64)).device.type == "meta"


def test_the_shipped_file_is_small_and_holds_no_code() -> None:
    assert face_classifier.WEIGHTS.stat().st_size < 400_000
    assert torch.load(face_classifier.WEIGHTS, weights_only=True)["names"][0] == "gaze_x"
