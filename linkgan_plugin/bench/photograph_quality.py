"""The quality of photographs' reconstructions and edits against photographs, with standard errors over photographs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import LinkGANError
from ..images.pixels import to_pixels
from ..metrics.paired import Replicates, difference
from ..metrics.yardsticks import Yardstick
from .photograph_edits import EditedPhotograph

ALL, RECONSTRUCTION, PASTED = "all", "reconstruction", " pasted"
SHOWN = 4  # photographs on the sheet
_AT_ONCE = 32

Quality = dict[str, float | None]


@dataclass(frozen=True, eq=False)
class Ruler:
    """Measures sets of images against photographs.

    Attributes:
        yardstick: the measure.
        real: what it sees of the photographs, [M, ...].
    """

    yardstick: Yardstick
    real: Tensor

    @classmethod
    def of(cls, yardstick: Yardstick, photographs: Iterable[Tensor]) -> Ruler:
        """Return the ruler of photographs, given in batches [N, C, H, W] in [-1, 1]."""
        return cls(yardstick, torch.cat([yardstick.seen(batch) for batch in photographs]))

    def seen(self, images: Tensor) -> Tensor:
        """Return what is seen of images [N, C, H, W], which are clipped to [-1, 1] first: [N, ...]."""
        return torch.cat([self.yardstick.seen(some.clamp(-1, 1)) for some in images.split(_AT_ONCE)])

    def of_images(self, images: Tensor) -> Quality:
        """Return the quality of images [N, C, H, W]."""
        return plain(self.of_sets(self.seen(images).unsqueeze(1)))

    def quality(self, seen: Tensor) -> Quality:
        """Return the mean quality over E edits of N photographs, given what is seen of them: [N, E, ...]."""
        return plain(self.of_sets(seen))

    def of_sets(self, seen: Tensor) -> Replicates:
        """Return what `quality` is computed from; `seen` is [N, E, ...]."""
        # The sets are the photographs after their first edit, their second, and so on. Equal parts of all sets contain
        # the same photographs, so the standard error of their means is one over photographs.
        return merged([self._replicates(seen[:, edit]) for edit in range(seen.shape[1])])

    def _replicates(self, seen: Tensor) -> Replicates:
        only = dataclasses.replace(self.yardstick, both=False)  # a second distance would take most of the time
        value = only.distance(self.real, seen)[""].value
        if value is None:
            raise LinkGANError("the quality of the images cannot be computed: they are not finite")
        return self.yardstick.replicates(self.real, seen, value)


class Collected:
    """The figures of edited photographs, and what quality and the sheet need of their images.

    Args:
        ruler: measures quality; None for no quality.
        edits: their names.
    """

    def __init__(self, ruler: Ruler | None, edits: Sequence[str]) -> None:
        self._ruler, self._edits = ruler, edits
        self.figures: dict[str, dict[str, list[float]]] = {}
        self._seen: dict[str, list[Tensor]] = {}
        self._shown: dict[str, list[np.ndarray]] = {}

    def add(self, found: EditedPhotograph) -> None:
        """Take the edits of one photograph."""
        for edit, figures in found.figures.items():
            for name, value in figures.items():
                self.figures.setdefault(edit, {}).setdefault(name, []).append(value)
        if self._ruler is not None:
            sets = {RECONSTRUCTION: found.reconstruction, **found.edited}
            sets |= {name + PASTED: images for name, images in found.pasted.items()}
            for name, images in sets.items():
                self._seen.setdefault(name, []).append(self._ruler.seen(images))
        if len(self._shown.get("edited", ())) < SHOWN:
            self._show(found)

    def _show(self, found: EditedPhotograph) -> None:
        first = self._edits[0]
        edited, pasted = found.edited[first][:1], found.pasted[first][:1]
        cells = {"reconstruction": found.reconstruction, "edited": edited, "pasted": pasted}
        for name, image in cells.items():
            self._shown.setdefault(name, []).append(to_pixels(image)[0])
        change = (edited - found.reconstruction).abs().mean(dim=1)[0]
        self._shown.setdefault("change", []).append(change.cpu().numpy())

    def shown(self) -> dict[str, np.ndarray]:
        """Return images for the sheet: uint8 [K, H, W, 3] each, and ``change``, float32 [K, H, W]."""
        return {name: np.stack(images) for name, images in self._shown.items()}

    def quality(self) -> dict[str, Quality]:
        """Return the quality of the reconstructions and of each edit, also pasted, and the mean of all edits.

        {} if it is not measured.
        """
        if self._ruler is None:
            return {}
        found = {name: self._ruler.of_sets(torch.stack(seen)) for name, seen in self._seen.items()}
        for suffix in ("", PASTED):
            found[ALL + suffix] = merged([found[name + suffix] for name in self._edits])
        return {name: plain(replicates) for name, replicates in found.items()}


def merged(parts: Sequence[Replicates]) -> Replicates:
    """Return the mean of distances whose parts contain the same photographs."""
    value, rows = float(np.mean([one.value for one in parts])), np.mean([one.parts for one in parts], axis=0)
    return Replicates(value, rows, parts[0].leaves_out)


def plain(found: Replicates) -> Quality:
    """Return ``value`` and ``stderr`` of a distance."""
    # The standard error of a value is that of its difference from 0.
    estimate = difference(found, Replicates(0.0, np.zeros_like(found.parts), found.leaves_out))
    return {"value": estimate.value, "stderr": estimate.stderr}
