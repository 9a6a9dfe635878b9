"""Attribute classifier of procedural heads, trained on a data set of them in less than a minute on one core.

It works for all views, since it is trained on images from the data's cameras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from training_loops.data import heads3d
from training_loops.data.head_cameras import sample_cameras
from training_loops.formats.archive import ArchiveReader
from training_loops.formats.atomic import replacing
from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.pixels import to_float

from ..errors import LinkGANError
from ..regions.base import Scene
from .attributes import OWNED_SHARE
from .estimate import pearson
from .face_classifier import SIZE, FaceClassifier
from .face_classifier_training import fit, steps_of

NAMES = [attribute.name for attribute in heads3d.ATTRIBUTES]
_EPOCHS, _BATCH = 8, 64


class HeadClassifier:
    """Predicts the procedural heads' attributes; an attribute belongs to the region that contains its part.

    Args:
        network: from `train_head_classifier`, for all attributes in `heads3d.ATTRIBUTES`.
    """

    def __init__(self, network: FaceClassifier) -> None:
        self.network = network

    def attributes(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] -> attributes [N, A], nominally in [0, 1]."""
        return self.network.attributes(images)

    def features(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] -> features [N, 48] for the quality proxy."""
        return self.network.features(images)

    def owned(self, scene: Scene, mask: Tensor) -> np.ndarray:
        """Region mask [1 or N, 1, H, W] in [0, 1] -> bool [A], the attributes whose part lies in the region.

        The masks of the parts are rendered from the predicted attributes, with the camera of each image.

        Raises:
            LinkGANError: a scene without cameras.
        """
        if scene.camera is None:
            raise LinkGANError("attributes of heads need the camera of each image; this generator has no cameras")
        region = mask.detach().float().cpu()
        parts = heads3d.render(self.attributes(scene.images).cpu(), scene.camera.cpu(), region.shape[-1]).masks
        share = (parts * region).sum(dim=[0, 2, 3]) / parts.sum(dim=[0, 2, 3]).clamp(min=1)
        inside = {part for part, value in zip(heads3d.PARTS, share.tolist(), strict=True) if value >= OWNED_SHARE}
        return np.array([attribute.part in inside for attribute in heads3d.ATTRIBUTES])


def train_head_classifier(
    data: Path, *, seed: int = 0, progress: Callable[[float], object] = lambda loss: None
) -> FaceClassifier:
    """Return a classifier trained on all heads in `data`.

    Args:
        data: a zip or folder of procedural heads with their attributes.
        seed: seed of the weights and of the order of images.
        progress: called with the loss of each of `training_steps` steps.
    Raises:
        LinkGANError: the data does not hold procedural heads of these attributes.
    """
    truth = _attributes(data)
    images = to_float(ImageFolderDataset(data).batch(range(len(truth)))[0])
    images = interpolate(images, size=(SIZE, SIZE), mode="area")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = FaceClassifier(len(NAMES))
        return fit(network, images, truth, epochs=_EPOCHS, batch=_BATCH, progress=progress).requires_grad_(False)


def correlations(classifier: HeadClassifier, count: int = 256, seed: int = 1_000_000) -> dict[str, float]:
    """Return the correlation of each predicted attribute with the truth, over `count` new heads."""
    truth, cameras = heads3d.sample_attributes(count, seed), sample_cameras(count, seed)
    read = torch.cat([classifier.attributes(views.images) for views in _rendered(truth, cameras)])
    return dict(zip(NAMES, pearson(truth.double().numpy(), read.double().numpy()).tolist(), strict=True))


def _rendered(attributes: Tensor, cameras: Tensor) -> Iterator[heads3d.Views]:
    for some, seen_by in zip(attributes.split(_BATCH), cameras.split(_BATCH), strict=True):
        yield heads3d.render(some, seen_by, SIZE)


def training_steps(data: Path) -> int:
    """Return the number of training steps on `data`."""
    return steps_of(len(ImageFolderDataset(data)), _EPOCHS, _BATCH)


def _attributes(data: Path) -> Tensor:
    try:
        found = ArchiveReader(data).read_json("attributes.json")
        values = torch.tensor(found["values"], dtype=torch.float32)
    except (ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise LinkGANError(f"{data} is not a set of procedural heads: {error}") from error
    if found.get("names") != NAMES:
        raise LinkGANError(f"{data} has attributes {found.get('names')}; expected those of procedural heads, {NAMES}")
    return values


def save_head_classifier(path: Path, network: FaceClassifier) -> None:
    """Write the network's weights, atomically."""
    with replacing(path) as temporary:
        torch.save({"version": heads3d.VERSION, "names": NAMES, "state": network.state_dict()}, temporary)


def load_head_classifier(path: Path) -> HeadClassifier:
    """Return the classifier written by `save_head_classifier`. Raises LinkGANError if it is for other heads."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if (saved.get("version"), saved.get("names")) != (heads3d.VERSION, NAMES):
        raise LinkGANError(f"{path} is for other heads, expected version {heads3d.VERSION}; remove it")
    network = FaceClassifier(len(NAMES))
    network.load_state_dict(saved["state"])
    return HeadClassifier(network.eval().requires_grad_(False))
