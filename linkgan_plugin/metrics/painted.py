"""Regions without a segmenter: the classifier reads a face's attributes, and the renderer paints the masks of those.

Nothing that trained a link had a say in these masks, so they are the witness against which links by class are measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import torch
from torch import Tensor

from training_loops.data import faces
from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.pixels import to_float

from ..generators import LinkedGenerator
from ..links import LinkSpec
from ..regions.base import Region, Scene
from ..segmentation.segmenter import Segmenter
from .attributes import ProceduralClassifier
from .quality import FIRST_SEED

_BATCH = 64


class PaintedPart(Region):
    """The pixels of one part of procedural faces, whatever painted or generated them.

    Args:
        part: a name in `faces.PARTS`.
        classifier: reads the attributes that the part's shape follows from.
    """

    def __init__(self, part: str, classifier: ProceduralClassifier) -> None:
        self.part, self._classifier = part, classifier

    def mask(self, scene: Scene) -> Tensor:
        """Return float32 [N, 1, H, W], soft at edges. Parts with one classifier share one painting of a scene."""
        key = ("painted", id(self._classifier))
        if key not in scene.found:
            scene.found[key] = painted_masks(self._classifier, scene.images)
        row = faces.PARTS.index(self.part)
        return scene.found[key][:, row : row + 1]

    def __str__(self) -> str:
        return f"painted({self.part})"


def painted_masks(classifier: ProceduralClassifier, images: Tensor) -> Tensor:
    """Faces [N, 3, H, H] in [-1, 1] -> masks [N, P, H, H] in the order of `faces.PARTS`, which sum to 1."""
    attributes = classifier.attributes(images)
    return faces.render(attributes, images.shape[-1])[1].to(images.device)


def by_painting(spec: LinkSpec, classifier: ProceduralClassifier) -> LinkSpec:
    """Return a spec whose links are called like parts of the face with those parts, painted, as regions."""
    links = tuple(dataclasses.replace(link, region=PaintedPart(link.name, classifier)) for link in spec.links)
    return dataclasses.replace(spec, links=links)


class Overlaps:
    """Intersection over union of two label maps, class by class, over all images shown.

    Args:
        classes: names by number.
    """

    def __init__(self, classes: Iterable[str]) -> None:
        self.classes = tuple(classes)
        self._both = torch.zeros(len(self.classes), dtype=torch.float64)
        self._either = torch.zeros_like(self._both)

    def show(self, found: Tensor, truth: Tensor) -> None:
        """Take in masks [N, K, H, W] of the classes, of which each pixel's largest counts."""
        first, second = found.argmax(dim=1), truth.argmax(dim=1)
        for number in range(len(self.classes)):
            a, b = first == number, second == number
            self._both[number] += (a & b).sum().item()
            self._either[number] += (a | b).sum().item()

    def result(self) -> dict[str, float | None]:
        """Return class -> intersection over union, None for a class that was in no image."""
        return {
            name: float(both / either) if either else None
            for name, both, either in zip(self.classes, self._both, self._either, strict=True)
        }


def painted_overlaps(
    dataset: ImageFolderDataset, classifier: ProceduralClassifier, count: int
) -> dict[str, float | None]:
    """Return how well painted masks agree with the exact ones, part by part, on `count` real faces of a data set."""
    values = dataset.read_json("attributes.json")["values"][:count]
    overlaps = Overlaps(faces.PARTS)
    for start in range(0, len(values), _BATCH):
        truth = torch.tensor(values[start : start + _BATCH])
        images = to_float(dataset.batch(range(start, start + len(truth)))[0])
        overlaps.show(painted_masks(classifier, images), faces.render(truth, images.shape[-1])[1])
    return overlaps.result()


@torch.no_grad()
def agreement(
    generator: LinkedGenerator, segmenter: Segmenter, classifier: ProceduralClassifier, count: int
) -> dict[str, float | None]:
    """Return how well painted masks and a segmenter of the same parts agree on `count` generated faces."""
    overlaps = Overlaps(faces.PARTS)
    for start in range(0, count, _BATCH):
        seeds = range(FIRST_SEED + start, FIRST_SEED + min(start + _BATCH, count))
        images = generator.sample(seeds).images
        overlaps.show(segmenter.scores(images), painted_masks(classifier, images))
    return overlaps.result()
