"""The region kind `semantic(SOURCE,CLASS,...)`: the pixels that a segmentation network gives to some classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import LinkGANError, suggest
from .base import Read, Region, Scene, expression

if TYPE_CHECKING:
    from ..segmentation.segmenter import Card, Segmenter

USAGE = (
    "semantic(SOURCE,CLASS,...): SOURCE is a TorchScript or torch.export file, a folder of a Hugging Face model or a "
    "plugin, CLASS a name or number; mode=soft as the last argument takes probabilities instead of the likeliest class"
)
_MODES = ("hard", "soft")


class Semantic(Region):
    """The share of each pixel that belongs to some classes, in the unperturbed image.

    The network itself is opened when the first mask is asked for. A link spec keeps its card (class names, checksum)
    and not the network: what comes with a snapshot is never run.
    """

    def __init__(self, source: str, classes: Sequence[str], mode: str, card: Card) -> None:
        """Check the classes.

        Raises:
            LinkGANError: a class that the network does not have; lists those it has.
        """
        self.source, self.classes, self.mode, self.card = source, tuple(classes), mode, card
        self._rows = [_row(name, card.classes, source) for name in classes]
        repeated = [name for name, row in zip(classes, self._rows, strict=True) if self._rows.count(row) > 1]
        if repeated:
            raise LinkGANError(f"class {repeated[0]!r} is named twice; write {USAGE}")

    @classmethod
    def parse(cls, args: Sequence[str], read: Read) -> Semantic:
        """Read a source, classes and mode. The card comes from a spec that has it, else from the network."""
        *names, mode = args if args and args[-1].startswith("mode=") else (*args, "mode=hard")
        mode = mode.removeprefix("mode=")
        if len(names) < 2 or mode not in _MODES:
            raise LinkGANError(f"expected a source, at least one class and mode=hard or soft; write {USAGE}")
        return cls(names[0], names[1:], mode, _card(names[0], read))

    def mask(self, scene: Scene) -> Tensor:
        """Return float32 [N, 1, H, W]. Links on classes of one network share one pass of it over a scene."""
        key = (self.source, self.card.sha256, self.mode)
        if key not in scene.found:
            scene.found[key] = _shares(self._segmenter.scores(scene.images.detach()), scene.images.shape[2:], self.mode)
        shares = scene.found[key]
        outside = [row for row in self._rows if row >= shares.shape[1]]
        if outside:
            raise LinkGANError(
                f"{self.source} scores {shares.shape[1]} classes; expected a number below, not {outside[0]}"
            )
        return shares[:, self._rows].sum(dim=1, keepdim=True)

    @cached_property
    def _segmenter(self) -> Segmenter:
        from ..segmentation.files import open_segmenter

        segmenter = open_segmenter(self.source)
        if segmenter.card.sha256 != self.card.sha256:
            raise LinkGANError(
                f"{self.source} is another network (SHA-256 {segmenter.card.sha256[:12]}...) than the links were made "
                f"with ({self.card.sha256[:12]}...); put the right one there, or link anew"
            )
        return segmenter

    def files(self) -> dict[str, bytes]:
        return {_card_name(self.source): self.card.to_json().encode()}

    def __str__(self) -> str:
        mode = [] if self.mode == "hard" else [f"mode={self.mode}"]
        return expression("semantic", [self.source, *self.classes, *mode])


def _card_name(source: str) -> str:
    return f"{source}#card"


def _card(source: str, read: Read) -> Card:
    from ..segmentation.files import open_segmenter
    from ..segmentation.segmenter import Card

    try:
        kept = read(_card_name(source))
    except LinkGANError:
        return open_segmenter(source).card
    return Card.from_json(kept)


def _row(name: str, classes: Sequence[str], source: str) -> int:
    """Return the number of a class, by its name or by itself."""
    if name in classes:
        return classes.index(name)
    if name.isdecimal() and (not classes or int(name) < len(classes)):
        return int(name)
    if not classes:
        raise LinkGANError(f"{source} does not name its classes; give their numbers, not {name!r}")
    raise LinkGANError(f"{source} has no class {name!r}; {suggest(name, classes)}")


def _shares(scores: Tensor, size: Sequence[int], mode: str) -> Tensor:
    """Logits [N, K, h, w] -> the share of each pixel of an image that each class has, float32 [N, K, *size]."""
    height, width = size
    fine = [max(have, want) for have, want in zip(scores.shape[2:], (height, width), strict=True)]
    if list(scores.shape[2:]) != fine:
        scores = F.interpolate(scores, size=fine, mode="bilinear", align_corners=False)
    if mode == "soft":
        shares = scores.softmax(dim=1)
    else:
        shares = torch.zeros_like(scores).scatter_(1, scores.argmax(dim=1, keepdim=True), 1.0)
    if fine == [height, width]:
        return shares
    return F.interpolate(shares, size=(height, width), mode="area")
