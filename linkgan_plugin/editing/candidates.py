"""Edits to compare side by side: new samples, other images, strong directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from torch import Tensor

from ..errors import LinkGANError
from ..links import LinkSpec
from .steps import ALL, DirectionEdit, Resample, Step, Transplant

REACH = 2.0  # standard deviations along a direction, to either side


class EditCandidate(NamedTuple):
    """An edit for any regions: its caption, and a function from regions to the step."""

    name: str
    step: Callable[[Sequence[str]], Step]


class RegionGroup(NamedTuple):
    """Regions that are edited together: their caption, and the names of their blocks."""

    name: str
    regions: tuple[str, ...]

    @classmethod
    def read(cls, text: str, spec: LinkSpec) -> RegionGroup:
        """Read ``eyes``, ``eyes+mouth``, ``rest`` or ``all``.

        Raises:
            LinkGANError: an unknown name (lists the known ones).
        """
        if text == ALL:
            return cls("everything", spec.block_names)
        names = tuple(part.strip() for part in text.split("+"))
        for name in names:
            if name not in spec.block_names:
                _ = spec[name]  # raises, with the nearest known name
        return cls(" + ".join(names), names)


def resamples(seeds: Iterable[int], *, strength: float = 1.0, psi: float | None = None) -> list[EditCandidate]:
    """Return candidates that redraw regions, each from the sample of a seed (see `Resample`)."""
    return [
        EditCandidate(f"seed {seed}", lambda regions, seed=seed: Resample(regions, seed, strength, psi))  # type: ignore[misc]
        for seed in seeds
    ]


def transplants(donors: Iterable[tuple[str, int | Tensor]], *, strength: float = 1.0) -> list[EditCandidate]:
    """Return candidates that take regions from other images (see `Transplant`).

    Args:
        donors: captions, and seeds or latents [1, num_ws, w_dim].
        strength: of every transplant.
    """
    return [
        EditCandidate(name, lambda regions, donor=donor: Transplant(regions, donor, strength))  # type: ignore[misc]
        for name, donor in donors
    ]


def along_directions(count: int, *, reach: float = REACH) -> list[EditCandidate]:
    """Return candidates along the first `count` directions of one region, both ways (see `DirectionEdit`)."""
    ends = [(direction, std) for direction in range(count) for std in (-reach, reach)]
    return [
        EditCandidate(f"{end[0]}: {end[1]:+g}", lambda regions, end=end: _direction_edit(regions, *end))  # type: ignore[misc]
        for end in ends
    ]


def in_parts(candidates: Sequence[EditCandidate], shares: Sequence[float]) -> list[EditCandidate]:
    """Return each candidate several times, scaled by each of `shares`."""
    return [
        EditCandidate(f"{candidate.name} x {share:g}", lambda regions, t=candidate, s=share: t.step(regions).part(s))  # type: ignore[misc]
        for candidate in candidates
        for share in shares
    ]


def _direction_edit(regions: Sequence[str], direction: int, std: float) -> Step:
    if len(regions) != 1:
        raise LinkGANError(f"directions belong to one region, not to {', '.join(regions)}; name one")
    return DirectionEdit(regions[0], direction, std)
