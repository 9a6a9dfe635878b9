"""Quality of edited images: the distance to the data after a link's axes are resampled, all links' are, the rest's are.

That is what users look at. Every image is rendered once, and serves quality and fit alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from training_loops.formats.folder import ImageFolderDataset

from ..generators import LinkedGenerator
from ..links import REST
from ..perturb import replace_axes
from .estimate import Estimate
from .evaluate import DONOR_OFFSET
from .fit import fit, small
from .paired import difference
from .quality import FIRST_SEED, real_images
from .yardsticks import Yardstick

_BATCH = 128
# Images from which fit is learned and told: half of them unedited, half edited.
FIT_IMAGES = 4000


@dataclass(frozen=True)
class Asked:
    """What is measured of a generator's images.

    Attributes:
        images: how many of each kind are rendered, and at most how many are read.
        edits: also those of edited images.
        fits: also how far edits fit.
    """

    images: int
    edits: bool = False
    fits: bool = False


@dataclass
class _Set:
    """One kind of images: what the yardstick saw of them, and some of them small."""

    seen: list[Tensor] = field(default_factory=list)
    shown: list[Tensor] = field(default_factory=list)


class QualityOf:
    """Measures generators against one data set, which is read once.

    Args:
        dataset: the data.
        yardstick: what images are compared by.
        asked: how much is measured.
    """

    def __init__(self, dataset: ImageFolderDataset, yardstick: Yardstick, asked: Asked) -> None:
        self._dataset, self.yardstick, self._asked = dataset, yardstick, asked

    @cached_property
    def _real(self) -> Tensor:
        return torch.cat([self.yardstick.seen(batch) for batch in real_images(self._dataset, self._asked.images)])

    def measure(self, generator: LinkedGenerator) -> dict[str, Estimate]:
        """Return ``quality``, and where asked ``edited_quality:EDIT``, its difference to ``quality`` and ``fit:EDIT``.

        EDIT is a link's name, those of all links joined by +, or ``rest``: whose axes come from another sample.
        ``edited_quality_difference:EDIT`` is ``edited_quality:EDIT - quality``, paired: both are of the same seeds.

        Raises:
            LinkGANError: images of another shape than the data's, too few, or not finite.
        """
        edits = edits_of(generator) if self._asked.edits or self._asked.fits else {}
        sets = self._rendered(generator, edits)
        found: dict[str, Estimate] = {}
        for name in ("", *(edits if self._asked.edits else ())):
            estimates = self.yardstick.distance(self._real, torch.cat(sets[name].seen))
            for kind, estimate in estimates.items():
                found[f"edited_quality{kind}:{name}" if name else f"quality{kind}"] = estimate
        if self._asked.edits:
            found |= self._differences({name: torch.cat(shown.seen) for name, shown in sets.items()}, found)
        for name in edits if self._asked.fits else ():
            found[f"fit:{name}"] = fit(torch.cat(sets[""].shown), torch.cat(sets[name].shown))
        return found

    def _differences(self, seen: dict[str, Tensor], found: dict[str, Estimate]) -> dict[str, Estimate]:
        """Return how much worse edited images are than unedited ones; `seen` has the unedited ones under ""."""
        values = {name: found[f"edited_quality:{name}" if name else "quality"].value for name in seen}
        parts = {
            name: self.yardstick.replicates(self._real, seen[name], value)
            for name, value in values.items()
            if value is not None
        }
        return {
            f"edited_quality_difference:{name}": difference(part, parts[""])
            for name, part in parts.items()
            if name and "" in parts
        }

    def _rendered(self, generator: LinkedGenerator, edits: dict[str, Tensor]) -> dict[str, _Set]:
        sets = {name: _Set() for name in ("", *edits)}
        asked, count = self._asked, self._asked.images
        if self.yardstick.network is None:
            count = min(count, len(self._dataset))  # patches are compared between equal counts
        for start in range(0, count, _BATCH):
            seeds = range(FIRST_SEED + start, FIRST_SEED + min(start + _BATCH, count))
            for name, images in rendered(generator, seeds, edits):
                if not name or asked.edits:
                    sets[name].seen.append(self.yardstick.seen(images))
                if asked.fits and start < FIT_IMAGES:
                    # Unedited images of even seeds, edited ones of odd seeds: no image beside its own edit.
                    sets[name].shown.append(small(images[bool(name) :: 2]).cpu())
        return sets


def edits_of(generator: LinkedGenerator) -> dict[str, Tensor]:
    """Return the edits of a network: name -> bool [D], the axes that come from another sample; equal ones once."""
    names = generator.spec.names
    blocks = {name: generator.block(name) for name in names}
    if len(names) > 1:
        blocks["+".join(names)] = generator.block(names)
    rest = ~generator.block(names)
    return blocks | ({REST: rest} if bool(rest.any()) else {})


@torch.no_grad()
def rendered(generator: LinkedGenerator, seeds: range, edits: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield ("", unedited images of seeds) and (edit, edited images), [N, C, H, W] clamped to [-1, 1].

    Args:
        generator: the network.
        seeds: of the images; donors have seeds of their own.
        edits: name -> bool [D], as `edits_of` returns them.
    """
    labels = generator.labels(seeds)
    latents = generator.draw(seeds, labels)
    yield "", generator.render(latents, labels).clamp(-1, 1)
    if not edits:
        return
    donors = generator.draw([seed + DONOR_OFFSET for seed in seeds], labels)
    for name, block in edits.items():
        yield name, generator.render(replace_axes(latents, donors, block), labels).clamp(-1, 1)
