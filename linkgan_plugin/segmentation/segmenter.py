"""The interface of segmentation networks: images in, one score per class and pixel out."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training_loops.devices import constant
from training_loops.formats.json_text import fields_of, parse_json

from ..errors import LinkGANError

_MOST_CLASSES = 4096
_FIELDS = {"classes": list, "sha256": str, "mean": list, "std": list, "size": list | None}


@dataclass(frozen=True)
class Card:
    """The description of a network, which is stored in link specs (the network is not).

    Attributes:
        classes: names in the order of its scores; empty = classes have numbers only.
        sha256: of the network's file or files; identifies the network on other machines.
        mean: of the three channels of images in [0, 1], subtracted before the network.
        std: of the three channels, divided by; the defaults leave images in [-1, 1] unchanged.
        size: (height, width) to which images are resized, None = not resized.
    """

    classes: tuple[str, ...]
    sha256: str
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check the values, which may come from a file.

        Raises:
            LinkGANError: an invalid description.
        """
        if len(self.classes) > _MOST_CLASSES:
            raise LinkGANError(f"{len(self.classes)} classes, expected at most {_MOST_CLASSES}")
        if not all(type(name) is str and name and name.isprintable() for name in self.classes):
            raise LinkGANError(f"classes {self.classes!r:.200}: expected names")
        repeated = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if repeated:
            raise LinkGANError(f"two classes have the name {repeated[0]!r}; expected unique names")
        for values, name in ((self.mean, "mean"), (self.std, "std")):
            if len(values) != 3 or not all(isinstance(value, float) and abs(value) < 1e6 for value in values):
                raise LinkGANError(f"{name} {values!r:.200}: expected three numbers, for images in [0, 1]")
        if min(self.std) <= 0:
            raise LinkGANError(f"std {self.std}: expected numbers above 0")
        if self.size is not None and not (len(self.size) == 2 and all(_is_side(side) for side in self.size)):
            raise LinkGANError(f"size {self.size!r:.200}: expected [height, width] in pixels, or null")

    def to_json(self) -> str:
        """Return the card as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes, **known: Any) -> Card:
        """Read a card from `to_json` or written by hand; all fields are optional, and `known` overrides them.

        Raises:
            LinkGANError: invalid text.
        """
        try:
            data = {"classes": (), "sha256": "", **fields_of(parse_json(text, "it"), "it", {}, _FIELDS), **known}
            data |= {name: tuple(map(float, data[name])) for name in ("mean", "std") if name in data}
            data |= {name: tuple(data[name]) for name in ("classes", "size") if data.get(name) is not None}
            return cls(**data)
        except (ValueError, TypeError, OverflowError) as error:
            raise LinkGANError(f"the description of a segmentation network cannot be read: {error}") from error


def _is_side(side: object) -> bool:
    return type(side) is int and 1 <= side <= 16384


class Segmenter(ABC):
    """A segmentation network, or another method that finds classes in images; plugins register it in `linkgan.regions`.

    Attributes:
        card: its description.
    """

    card: Card

    @abstractmethod
    def scores(self, images: Tensor) -> Tensor:
        """Score images, float32 [N, 3, H, W] in [-1, 1]: logits [N, K, h, w] of any size, on the images' device."""


class NetworkSegmenter(Segmenter):
    """A segmenter from a function of tensors: in eval mode, without gradients, in float32.

    Args:
        network: images prepared by the card -> logits [N, K, h, w], or a dict with them as ``out`` or ``logits``.
        move: moves the network to a device.
    """

    def __init__(self, card: Card, network: Callable[[Tensor], Any], move: Callable[[torch.device], Any]) -> None:
        self.card, self._network, self._move = card, network, move
        self._device: torch.device | None = None

    @torch.no_grad()
    def scores(self, images: Tensor) -> Tensor:
        if self._device != images.device:
            self._move(images.device)
            self._device = images.device
        try:
            with torch.autocast(images.device.type, enabled=False):
                found = self._network(self._prepared(images.float()))
        except RuntimeError as error:
            reason = str(error).strip().rpartition("\n")[2]
            raise LinkGANError(f"the segmentation network failed on images {list(images.shape)}: {reason}") from error
        if isinstance(found, dict):
            found = found.get("out", found.get("logits"))
        count = len(self.card.classes)
        if (
            not isinstance(found, Tensor)
            or found.ndim != 4
            or len(found) != len(images)
            or count not in (0, found.shape[1])
        ):
            got = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise LinkGANError(
                f"the segmentation network returned {got} for {len(images)} images; expected logits "
                f"[{len(images)}, {count or 'classes'}, height, width]"
            )
        return found.float()

    def _prepared(self, images: Tensor) -> Tensor:
        images = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        if self.card.size is not None and tuple(images.shape[2:]) != self.card.size:
            images = F.interpolate(images, size=self.card.size, mode="bilinear", antialias=True, align_corners=False)
        mean, std = (constant(tuple(values), images)[:, None, None] for values in (self.card.mean, self.card.std))
        return ((images + 1) / 2 - mean) / std
