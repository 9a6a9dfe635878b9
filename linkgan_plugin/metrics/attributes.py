"""Attribute classifiers of data sets, and the attributes that belong to a region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.data import faces
from training_loops.formats.archive import ArchiveReader, DatasetError

from ..regions.base import Scene
from .face_classifier import FaceClassifier, load_face_classifier

# A part belongs to a region when at least this share of its pixels lies inside.
OWNED_SHARE = 0.5
# Number and size of the renders over which the parts' positions are averaged.
_RENDERS, _SIZE = 256, 64


class ProceduralClassifier:
    """Predicts the procedural faces' attributes; an attribute belongs to the region that contains its part."""

    def __init__(self, network: FaceClassifier) -> None:
        self.network = network
        _, masks = faces.render(faces.sample_attributes(_RENDERS, seed=0), _SIZE)
        self._parts = masks.mean(dim=0)  # [parts, S, S]

    def attributes(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] -> attributes [N, A], nominally in [0, 1]."""
        return self.network.attributes(images)

    def features(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] -> features [N, 48] for the quality proxy."""
        return self.network.features(images)

    def owned(self, scene: Scene, mask: Tensor) -> np.ndarray:
        """Region mask [1 or N, 1, H, W] in [0, 1] -> bool [A], the attributes whose part lies in the mean region."""
        mean = mask.detach().cpu().float().mean(dim=0, keepdim=True)
        region = F.interpolate(mean, size=(_SIZE, _SIZE), mode="area")[0]
        share = (self._parts * region).sum(dim=[1, 2]) / self._parts.sum(dim=[1, 2])
        inside = {part for part, value in zip(faces.PARTS, share.tolist(), strict=True) if value >= OWNED_SHARE}
        return np.array([attribute.part in inside for attribute in faces.ATTRIBUTES])


def classifier_for(data: Path | str | None, device: torch.device | str = "cpu") -> ProceduralClassifier | None:
    """Return the classifier of a data set, or None if it has none.

    Only procedural faces have one, and only if they were rendered from the attributes that the classifier knows.
    """
    return ProceduralClassifier(load_face_classifier(device)) if has_classifier(data) else None


def has_classifier(data: Path | str | None) -> bool:
    """Return whether a data set consists of the procedural faces that the classifier knows."""
    if data is None or not Path(data).exists():
        return False
    try:
        names = ArchiveReader(data).read_json("attributes.json")["names"]
    except (DatasetError, ValueError, KeyError, TypeError):
        return False
    return bool(names == [attribute.name for attribute in faces.ATTRIBUTES])
