"""Quality of edited images: distance to the data after resampling the axes of one link, of all links or of the rest.

Every image is rendered once, for both quality and fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from training_loops.formats.folder import ImageFolderDataset

from ..consistent import Consistent
from ..generators import LinkedGenerator
from ..links import REST
from .chosen_donors import donors_of
from .estimate import Estimate
from .fit import fit, small
from .paired import difference
from .quality import FIRST_SEED, real_images
from .yardsticks import Yardstick

_BATCH = 128
# Images for training and evaluating fit: half of them unedited, half edited.
FIT_IMAGES = 4000


@dataclass(frozen=True)
class Asked:
    """The requested measurements.

    Attributes:
        images: number of rendered images per kind, and the most that are read from the data.
        edits: also measure the quality of edited images.
        fits: also measure the fit of edited images.
    """

    images: int
    edits: bool = False
    fits: bool = False


@dataclass
class _Set:
    """One kind of images: what the yardstick compares, and small copies of some images."""

    seen: list[Tensor] = field(default_factory=list)
    shown: list[Tensor] = field(default_factory=list)


class QualityOf:
    """Measures generators against one data set, which is read once.

    Args:
        dataset: the data.
        yardstick: features and distance for comparing images.
        asked: the requested measurements.
    """

    def __init__(self, dataset: ImageFolderDataset, yardstick: Yardstick, asked: Asked) -> None:
        self._dataset, self.yardstick, self._asked = dataset, yardstick, asked

    @cached_property
    def _real(self) -> Tensor:
        return torch.cat([self.yardstick.seen(batch) for batch in real_images(self._dataset, self._asked.images)])

    def measure(self, generator: LinkedGenerator, consistent: Consistent | None = None) -> dict[str, Estimate]:
        """Return ``quality`` and, if requested, ``edited_quality:EDIT``, its difference and ``fit:EDIT``.

        EDIT names the axes taken from another sample: a link, all links joined by +, or ``rest``.
        ``edited_quality_difference:EDIT`` is ``edited_quality:EDIT - quality``, paired: both use the same seeds.

        Args:
            generator: the network with its links.
            consistent: chooses the donors of edits; None for the first sample.
        Raises:
            LinkGANError: images of another shape than the data's, too few, or not finite.
        """
        edits = edits_of(generator) if self._asked.edits or self._asked.fits else {}
        sets = self._rendered(generator, edits, consistent)
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

    def _rendered(
        self, generator: LinkedGenerator, edits: dict[str, Tensor], consistent: Consistent | None
    ) -> dict[str, _Set]:
        sets = {name: _Set() for name in ("", *edits)}
        asked, count = self._asked, self._asked.images
        if self.yardstick.network is None:
            count = min(count, len(self._dataset))  # patches need equal counts
        for start in range(0, count, _BATCH):
            seeds = range(FIRST_SEED + start, FIRST_SEED + min(start + _BATCH, count))
            for name, images in rendered(generator, seeds, edits, consistent):
                if not name or asked.edits:
                    sets[name].seen.append(self.yardstick.seen(images))
                if asked.fits and start < FIT_IMAGES:
                    # Unedited images of even seeds, edited ones of odd seeds: never an image and its own edit.
                    sets[name].shown.append(small(images[bool(name) :: 2]).cpu())
        return sets


def edits_of(generator: LinkedGenerator) -> dict[str, Tensor]:
    """Return the edits of a network: name -> bool [D], the axes taken from another sample; no duplicates."""
    names = generator.spec.names
    blocks = {name: generator.block(name) for name in names}
    if len(names) > 1:
        blocks["+".join(names)] = generator.block(names)
    rest = ~generator.block(names)
    return blocks | ({REST: rest} if bool(rest.any()) else {})


@torch.no_grad()
def rendered(
    generator: LinkedGenerator, seeds: range, edits: dict[str, Tensor], consistent: Consistent | None = None
) -> Iterator[tuple[str, Tensor]]:
    """Yield ("", unedited images of seeds) and (edit, edited images), [N, C, H, W] clamped to [-1, 1].

    Args:
        generator: the network.
        seeds: seeds of the images; donors use other seeds.
        edits: name -> bool [D], as `edits_of` returns them.
        consistent: chooses the donors; None for the first sample.
    """
    labels = generator.labels(seeds)
    latents = generator.draw(seeds, labels)
    yield "", generator.render(latents, labels).clamp(-1, 1)
    if not edits:
        return
    donors = donors_of(generator, seeds, latents, labels, edits, consistent)
    for name, block in edits.items():
        yield name, generator.render(generator.replace(latents, donors[name], block), labels).clamp(-1, 1)
