"""Masks painted from attributes that were read: exact on real faces, and regions like any other."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics.attributes import ProceduralClassifier, classifier_for
from linkgan_plugin.metrics.evaluate import evaluate
from linkgan_plugin.metrics.painted import Overlaps, agreement, by_painting, painted_masks, painted_overlaps
from linkgan_plugin.regions.base import Scene
from linkgan_plugin.segmentation.segmenter import Card, Segmenter
from training_loops.data import faces
from training_loops.data.face_files import write_faces
from training_loops.data.face_oracle import FaceOracle
from training_loops.formats.folder import ImageFolderDataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ImageFolderDataset:
    path = tmp_path_factory.mktemp("data") / "faces.zip"
    write_faces(path, 80, 32, seed=5)
    return ImageFolderDataset(path)


@pytest.fixture(scope="module")
def classifier(dataset: ImageFolderDataset) -> ProceduralClassifier:
    found = classifier_for(dataset.path)
    assert found is not None
    return found


def oracle(region: str) -> LinkedGenerator:
    """The renderer, whose hair is linked to what paints it."""
    network = FaceOracle(32)
    axes = ",".join(f"{axis}:{axis + 1}" for axis in network.axes_of("hair"))
    return LinkedGenerator(network, LinkSpec.parse([f"hair={axes}@{region}"], dim=network.w_dim))


def test_painted_masks_of_real_faces_are_nearly_the_exact_ones(
    dataset: ImageFolderDataset, classifier: ProceduralClassifier
) -> None:
    found = painted_overlaps(dataset, classifier, 80)
    assert set(found) == set(faces.PARTS)
    assert min(found[part] or 0 for part in ("hair", "background", "skin")) > 0.97
    assert min(value or 0 for value in found.values()) > 0.93


def test_a_part_is_a_region_that_moves_with_the_image(classifier: ProceduralClassifier) -> None:
    attributes = faces.sample_attributes(2, seed=0)
    attributes[1] = attributes[0]
    attributes[:, [a.name for a in faces.ATTRIBUTES].index("hair_length")] = torch.tensor([0.0, 1.0])
    images, masks = faces.render(attributes, 32)
    spec = by_painting(oracle("box(0,0,1,0.5)").spec, classifier)
    assert str(spec["hair"].region) == "painted(hair)"
    short, long = spec.region_masks(Scene(images))[0, :, 0]
    truth = masks[:, faces.PARTS.index("hair")]
    assert long.sum() > 1.3 * short.sum()
    assert (short - truth[0]).abs().mean() < 0.01
    assert (long - truth[1]).abs().mean() < 0.01


def test_the_renderer_is_local_by_its_own_masks_and_not_by_a_box(classifier: ProceduralClassifier) -> None:
    boxed = oracle("box(0.1875,0.03125,0.8125,0.310008)")
    painted = LinkedGenerator(boxed.generator, by_painting(boxed.spec, classifier))
    by_box, by_mask = (evaluate(g, pairs=24, classifier=classifier)["hair"].values() for g in (boxed, painted))
    assert (by_mask["locality"] or 0) > 0.85 > (by_box["locality"] or 1)
    assert (by_mask["transfer"] or 0) > 0.95, "hair's attributes belong to hair's pixels"


def test_overlaps_are_intersections_over_unions() -> None:
    first = torch.tensor([[[0, 0, 1, 1]]])
    second = torch.tensor([[[0, 1, 1, 1]]])
    overlaps = Overlaps(("a", "b", "c"))
    for found, truth in ((first, second), (second, second)):
        one_hot = [torch.nn.functional.one_hot(m, 3).permute(0, 3, 1, 2).float() for m in (found, truth)]
        overlaps.show(*one_hot)
    assert overlaps.result() == {"a": pytest.approx(2 / 3), "b": pytest.approx(5 / 6), "c": None}


class _Painter(Segmenter):
    """Finds what the classifier's masks show, but takes hair for background."""

    def __init__(self, classifier: ProceduralClassifier) -> None:
        self.card, self._classifier = Card(classes=faces.PARTS, sha256=""), classifier

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        masks = painted_masks(self._classifier, images).clone()
        masks[:, 0] += masks[:, 1]
        masks[:, 1] = 0
        return masks


def test_agreement_tells_classes_that_are_found_from_those_that_are_not(classifier: ProceduralClassifier) -> None:
    found = agreement(oracle("box(0,0,1,0.5)"), _Painter(classifier), classifier, 70)
    assert found["hair"] == 0
    assert 0.5 < (found["background"] or 0) < 0.9
    assert found["shirt"] == pytest.approx(1, abs=0.02)
