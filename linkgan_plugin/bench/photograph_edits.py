"""Edits of one inverted photograph, before and after pasting, and what they change inside and outside a region."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..change import split_change
from ..directions.directions import Directions
from ..editing.detailed import PhotographDetails
from ..editing.paste import feathered, paste
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..links import parse_region
from ..regions.base import Region, Scene

# Means over the edits of one photograph, images in [-1, 1], over the channels and pixels of the region, or of the rest.
# effect, leak: edited - reconstruction, inside and outside; inside, outside: the same as sums over the image's pixels
# leak_photograph: edited - photograph, outside; pasted_*: the same of pasted images
FIGURES = (
    *("effect", "leak", "inside", "outside", "leak_photograph"),
    *("pasted_effect", "pasted_leak", "pasted_leak_photograph"),
)
_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Edit:
    """A kind of edit.

    Attributes:
        name: of the link, or of the directions.
        region: where it should change the image.
        targets: ``(latents [1, L, D], donors [K, L, D]) -> latents [E, L, D]`` of the edited images.
    """

    name: str
    region: Region
    targets: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class EditedPhotograph:
    """The edits of one photograph.

    Attributes:
        reconstruction: [1, C, H, W], the image of its latents.
        edited: edit -> [E, C, H, W].
        pasted: edit -> [E, C, H, W], pasted into the photograph.
        figures: edit -> name in FIGURES -> value.
    """

    reconstruction: Tensor
    edited: dict[str, Tensor]
    pasted: dict[str, Tensor]
    figures: dict[str, dict[str, float]]


def link_edits(generator: LinkedGenerator) -> list[Edit]:
    """Return one edit for each link: its block of axes is a donor's."""

    def taking(name: str) -> Callable[[Tensor, Tensor], Tensor]:
        block = generator.block(name)
        return lambda latents, donors: generator.replace(latents.expand_as(donors), donors, block)

    return [Edit(link.name, link.region, taking(link.name)) for link in generator.spec.links]


def direction_edits(name: str, directions: Directions, std: float) -> Edit:
    """Return the edits along directions, each in both ways.

    Args:
        name: of the edit.
        directions: in W, found for a region.
        std: how far, in standard deviations.
    Raises:
        LinkGANError: directions in another space, or found for no region.
    """
    if directions.space != "w":
        raise LinkGANError(f"directions in {directions.space.upper()}; photographs are inverted in W: use those in W")
    if not directions.region:
        raise LinkGANError("these directions were found for no region; use those of linkgan directions --region")

    def targets(latents: Tensor, donors: Tensor) -> Tensor:
        amounts = [(index, sign * std) for index in range(len(directions)) for sign in (1, -1)]
        return torch.cat([directions.moved(latents, *amount) for amount in amounts])

    return Edit(name, parse_region(directions.region), targets)


@torch.no_grad()
def edit_photograph(
    generator: LinkedGenerator,
    edits: Sequence[Edit],
    latents: Tensor,
    label: Tensor,
    donors: Tensor,
    photograph: Tensor | None = None,
    feather: float | None = None,
    details: PhotographDetails | None = None,
) -> EditedPhotograph:
    """Do every edit and measure what it changes.

    Args:
        generator: the network, with what the inversion changed in it.
        edits: to do.
        latents: [1, L, D] of the photograph.
        label: [1, c_dim] of the photograph.
        donors: [K, L, D].
        photograph: [1, C, H, W] in [-1, 1]; None for a drawn image, which is its own photograph.
        feather: width of the seam in pixels, as for `feathered`.
        details: of the photograph, which all images keep; None for none.
    """
    targets = [edit.targets(latents, donors) for edit in edits]
    parts = torch.cat([latents, *targets]).split(_AT_ONCE)
    images = torch.cat([_rendered(generator, part, label.expand(len(part), -1), details) for part in parts])
    before, *after = images.split([1, *map(len, targets)])
    ground = before if photograph is None else photograph.to(before)
    found = EditedPhotograph(before, {}, {}, {})
    for edit, edited in zip(edits, after, strict=True):
        mask = edit.region.mask(Scene(before))
        seams = _seams(mask, edit.region.mask(Scene(edited)), feather)
        pasted = torch.cat([paste(ground, one, seams[row % len(seams)]) for row, one in enumerate(edited.split(1))])
        found.edited[edit.name], found.pasted[edit.name] = edited, pasted
        found.figures[edit.name] = _figures(before, ground, edited, pasted, mask)
    return found


def _rendered(generator: LinkedGenerator, latents: Tensor, labels: Tensor, details: PhotographDetails | None) -> Tensor:
    plain = generator.render(latents, labels)
    if details is None:
        return plain
    with generator.detailed(details.change(plain)):
        return generator.render(latents, labels)


def _seams(before: Tensor, after: Tensor, feather: float | None) -> list[Tensor]:
    """Return how much of each pixel is pasted, [H, W] each: the regions before and after, and a seam around them."""
    union = torch.maximum(before, after) if len(after) > 1 or not torch.equal(before, after) else before
    return [feathered(one[0], feather) for one in union]


def _figures(before: Tensor, ground: Tensor, edited: Tensor, pasted: Tensor, mask: Tensor) -> dict[str, float]:
    inside, outside = _change(before, edited, mask)
    pasted_inside, pasted_outside = _change(before, pasted, mask)
    area = float(mask.double().sum())
    rest = max(mask[0].numel() - area, 1e-12)
    return {
        "effect": inside / area if area else 0.0,
        "leak": outside / rest,
        "inside": inside,
        "outside": outside,
        "leak_photograph": _change(ground, edited, mask)[1] / rest,
        "pasted_effect": pasted_inside / area if area else 0.0,
        "pasted_leak": pasted_outside / rest,
        "pasted_leak_photograph": _change(ground, pasted, mask)[1] / rest,
    }


def _change(before: Tensor, after: Tensor, mask: Tensor) -> tuple[float, float]:
    """Return the change inside and outside the mask: sums over pixels, means over channels and edits."""
    parts = split_change(before, after, mask, sums=torch.float64)
    inside, outside = (float(part.mean()) / before.shape[1] for part in parts)
    return inside, outside
