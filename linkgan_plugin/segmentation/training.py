"""Trains a small segmentation network from images and label maps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.formats.archive import ArchiveReader, DatasetError
from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.json_text import parse_object
from training_loops.formats.pixels import to_float

from ..errors import LinkGANError
from .architectures.small_unet import SmallUNet
from .segmenter import Card
from .store import write_network

# Share of the images that is held out for evaluation.
_HELD_OUT = 0.1
_PARTS = "parts.json"
_SHOWN = 3
IGNORED = 255


@dataclass(frozen=True)
class LabelledImages:
    """Images and label maps of the same names.

    Attributes:
        images: uint8 [N, 1 or 3, S, S].
        labels: uint8 [N, S, S]; 255 = not labelled.
        classes: names by number.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices [N] for training and [M] for evaluation, the same at every call."""
        order = np.random.RandomState(0).permutation(len(self.images))
        held = max(1, round(_HELD_OUT * len(order)))
        return order[held:], order[:held]


def read_labelled(data: Path, masks: Path, classes: tuple[str, ...] | None = None) -> LabelledImages:
    """Read a zip or folder of images, and one of grey PNGs whose pixels are class numbers.

    Args:
        classes: names; by default those in the masks' parts.json ({"parts": [...]}).
    Raises:
        LinkGANError, DatasetError: they do not match.
    """
    images, maps = ImageFolderDataset(data), ImageFolderDataset(masks)
    if maps.num_channels != 1:
        raise LinkGANError(f"{masks} contains colour images; expected grey PNGs whose pixels are class numbers")
    if images.resolution != maps.resolution:
        raise LinkGANError(
            f"{data} contains images of {images.resolution} pixels, {masks} label maps of {maps.resolution}; expected "
            "the same size"
        )
    rows, map_rows = _pairs(_by_name(images), _by_name(maps), data, masks)
    if len(rows) < 2:
        raise LinkGANError(f"{data} contains {len(rows)} image; expected at least 2, one of them for evaluation")
    labels = maps.batch(map_rows)[0][:, 0]
    names = Card(classes=classes or _names(masks), sha256="").classes  # checks them before training
    highest = int(labels[labels != IGNORED].max(initial=0))
    if highest >= len(names):
        raise LinkGANError(f"{masks} contains class number {highest}, but only {len(names)} classes are named")
    found = set(np.unique(labels).tolist())
    absent = [name for number, name in enumerate(names) if number not in found]
    if absent:
        raise LinkGANError(
            f"no label map in {masks} has a pixel of {', '.join(map(repr, absent[:_SHOWN]))}, so they cannot "
            "be learned; add label maps with them, or name only the existing classes"
        )
    return LabelledImages(images.batch(rows)[0], labels, names)


def _by_name(dataset: ImageFolderDataset) -> dict[str, int]:
    """Return the name of every image, without its suffix, -> its index."""
    found: dict[str, int] = {}
    for index, name in enumerate(dataset.names):
        key = str(PurePosixPath(name).with_suffix(""))
        if key in found:
            raise LinkGANError(f"{dataset.path} contains '{dataset.names[found[key]]}' and '{name}': same name")
        found[key] = index
    return found


def _pairs(images: dict[str, int], maps: dict[str, int], data: Path, masks: Path) -> tuple[list[int], list[int]]:
    """Return the indices of images and of the label maps with the same names."""
    for have, other, place in ((images, maps, data), (maps, images, masks)):
        alone = sorted(have.keys() - other.keys())
        if alone:
            shown = ", ".join(map(repr, alone[:_SHOWN])) + (", ..." if len(alone) > _SHOWN else "")
            raise LinkGANError(
                f"{len(alone)} names are only in {place}: {shown}; images and label maps are matched by their "
                "names (without the suffix), so provide one label map for every image"
            )
    return [images[name] for name in sorted(images)], [maps[name] for name in sorted(images)]


def _names(masks: Path) -> tuple[str, ...]:
    try:
        names = parse_object(ArchiveReader(masks).read(_PARTS), _PARTS)["parts"]
    except (DatasetError, ValueError, KeyError, TypeError) as error:
        raise LinkGANError(f"{masks} contains no class names (parts.json); give them with --classes") from error
    return tuple(str(name) for name in names)


def train(
    data: LabelledImages,
    *,
    steps: int = 1500,
    batch: int = 32,
    lr: float = 2e-3,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[float], object] = lambda loss: None,
) -> SmallUNet:
    """Return a network in eval mode, trained on all images except the held-out ones.

    Images are mirrored, blurred and noised at random: images of a generator in training are rougher than the data.

    Args:
        progress: called with the loss of every step.
    """
    draw = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SmallUNet(len(data.classes)).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    own = torch.from_numpy(data.split()[0])
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        rows = own[torch.randint(len(own), [batch], generator=draw)].numpy()
        images, labels = as_images(data.images[rows]), torch.from_numpy(data.labels[rows]).long()
        images, labels = _roughened(images, labels, draw)
        loss = F.cross_entropy(network(images.to(device)), labels.to(device), ignore_index=IGNORED)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        progress(loss.item())
    return network.eval().requires_grad_(False)


def as_images(pixels: np.ndarray) -> Tensor:
    """Uint8 [N, 1 or 3, H, W] -> float32 [N, 3, H, W] in [-1, 1]."""
    return to_float(pixels).expand(-1, 3, -1, -1)


def _roughened(images: Tensor, labels: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    mirrored = torch.rand([len(images)], generator=draw) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    labels = torch.where(mirrored[:, None, None], labels.flip(2), labels)
    blurred = F.avg_pool2d(F.pad(images, [1, 1, 1, 1], mode="replicate"), 3, stride=1)
    share = torch.rand([len(images), 1, 1, 1], generator=draw)
    noise = torch.randn(images.shape, generator=draw) * 0.1 * torch.rand([len(images), 1, 1, 1], generator=draw)
    return torch.lerp(images, blurred, share) + noise, labels


@torch.no_grad()
def overlaps(
    network: Callable[[Tensor], Tensor], data: LabelledImages, device: torch.device | str = "cpu"
) -> list[float]:
    """Return each class's intersection over union on the held-out images; NaN where it is in none of them."""
    both = np.zeros(len(data.classes))
    either = np.zeros(len(data.classes))
    for rows in np.array_split(data.split()[1], -(-len(data.split()[1]) // 64)):
        found = network(as_images(data.images[rows]).to(device)).argmax(dim=1).cpu().numpy()
        truth = data.labels[rows]
        known = truth != IGNORED
        for k in range(len(data.classes)):
            both[k] += ((found == k) & (truth == k)).sum()
            either[k] += (((found == k) | (truth == k)) & known).sum()
    return [float(a / b) if b else float("nan") for a, b in zip(both, either, strict=True)]


def save_segmenter(path: Path, network: SmallUNet, classes: tuple[str, ...]) -> None:
    """Write the network with its card, atomically; `semantic(path,CLASS)` opens it."""
    state = network.cpu().eval().state_dict()
    write_network(path, "small_unet", network.arguments, Card(classes=classes, sha256=""), state)
