"""Regions without a segmenter: a classifier predicts a face's attributes, and the renderer paints their masks.

These masks do not depend on anything that trains links, so semantic links are measured against them.
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
    """The pixels of one part of procedural faces, rendered or generated.

    Args:
        part: a name in `faces.PARTS`.
        classifier: predicts the attributes that determine the part's shape.
    """

    def __init__(self, part: str, classifier: ProceduralClassifier) -> None:
        self.part, self._classifier = part, classifier

    def mask(self, scene: Scene) -> Tensor:
        """Return float32 [N, 1, H, W], soft at edges. Parts with the same classifier share the masks of a scene."""
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
    """Replace the regions of links that are named after parts of the face by these parts, painted."""
    links = tuple(dataclasses.replace(link, region=PaintedPart(link.name, classifier)) for link in spec.links)
    return dataclasses.replace(spec, links=links)


class Overlaps:
    """Intersection over union of two label maps, for each class, over all images so far.

    Args:
        classes: class names, by number.
    """

    def __init__(self, classes: Iterable[str]) -> None:
        self.classes = tuple(classes)
        self._both = torch.zeros(len(self.classes), dtype=torch.float64)
        self._either = torch.zeros_like(self._both)

    def show(self, found: Tensor, truth: Tensor) -> None:
        """Add masks [N, K, H, W] of the classes; each pixel belongs to its largest one."""
        first, second = found.argmax(dim=1), truth.argmax(dim=1)
        for number in range(len(self.classes)):
            a, b = first == number, second == number
            self._both[number] += (a & b).sum().item()
            self._either[number] += (a | b).sum().item()

    def result(self) -> dict[str, float | None]:
        """Return class -> intersection over union, None for a class that is in no image."""
        return {
            name: float(both / either) if either else None
            for name, both, either in zip(self.classes, self._both, self._either, strict=True)
        }


def painted_overlaps(
    dataset: ImageFolderDataset, classifier: ProceduralClassifier, count: int
) -> dict[str, float | None]:
    """Return the overlap of painted and exact masks for each part, on `count` real faces of a data set."""
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
    """Return the overlap of painted masks and those of a segmenter for each part, on `count` generated faces."""
    overlaps = Overlaps(faces.PARTS)
    for start in range(0, count, _BATCH):
        seeds = range(FIRST_SEED + start, FIRST_SEED + min(start + _BATCH, count))
        images = generator.sample(seeds).images
        overlaps.show(segmenter.scores(images), painted_masks(classifier, images))
    return overlaps.result()
