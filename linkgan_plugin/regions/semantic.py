"""The region kind `semantic(SOURCE,CLASS,...)`: the pixels that a segmentation network assigns to some classes."""

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
    "semantic(SOURCE,CLASS,...): SOURCE is a .safetensors file of `linkgan segment`, a folder of a Hugging Face model "
    "or a plugin, CLASS a name or number; mode=soft as the last argument uses probabilities, not the likeliest class"
)
_MODES = ("hard", "soft")
_CARD = "#card"


class Semantic(Region):
    """The share of each pixel that belongs to some classes, in the reference image.

    A link spec stores the network's card (class names, checksum) and name, never the network. The network is opened for
    the first mask, and only if the user named it in this command.
    """

    def __init__(self, source: str, classes: Sequence[str], mode: str, card: Card) -> None:
        """Check the classes.

        Raises:
            LinkGANError: a class that the network does not have; lists its classes.
        """
        self.source, self.classes, self.mode, self.card = source, tuple(classes), mode, card
        self._rows = [_row(name, card.classes, source) for name in classes]
        repeated = [name for name, row in zip(classes, self._rows, strict=True) if self._rows.count(row) > 1]
        if repeated:
            raise LinkGANError(f"class {repeated[0]!r} is named twice; write {USAGE}")

    @classmethod
    def parse(cls, args: Sequence[str], read: Read) -> Semantic:
        """Read a source, classes and mode.

        The card is from `read`: from the network named in typed links, or from the spec.

        Raises:
            LinkGANError: no source, an unknown class or an unknown mode.
        """
        from ..segmentation.segmenter import Card

        *names, mode = args if args and args[-1].startswith("mode=") else (*args, "mode=hard")
        mode = mode.removeprefix("mode=")
        if len(names) < 2 or mode not in _MODES:
            raise LinkGANError(f"expected a source, at least one class and mode=hard or soft; write {USAGE}")
        return cls(names[0], names[1:], mode, Card.from_json(read(card_name(names[0]))))

    def mask(self, scene: Scene) -> Tensor:
        """Return float32 [N, 1, H, W]; links on one network share one pass over a scene.

        Raises:
            LinkGANError: the user did not name the network (--segmenter), or it is a different one.
        """
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
        from ..segmentation.files import segmenter_for

        return segmenter_for(self.source, self.card)

    def files(self) -> dict[str, bytes]:
        return {card_name(self.source): self.card.to_json().encode()}

    def __str__(self) -> str:
        mode = [] if self.mode == "hard" else [f"mode={self.mode}"]
        return expression("semantic", [self.source, *self.classes, *mode])


def card_name(source: str) -> str:
    """Return the name under which `read` returns the card of a network."""
    return f"{source}{_CARD}"


def source_of_card(name: str) -> str | None:
    """Return the source of a name from `card_name`, None for the name of another file."""
    return name.removesuffix(_CARD) if name.endswith(_CARD) else None


def _row(name: str, classes: Sequence[str], source: str) -> int:
    """Return the number of a class, from its name or number."""
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
