"""Edits to compare side by side: new samples, other images, strong directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from torch import Tensor

from ..consistent import Consistent
from ..errors import LinkGANError
from ..links import LinkSpec
from .edits import Edits
from .steps import ALL, JOIN, DirectionEdit, Resample, Step, Transplant

REACH = 2.0  # standard deviations along a direction, to either side


class EditCandidate(NamedTuple):
    """An edit for any regions.

    Attributes:
        name: its caption.
        step: from regions to the step.
        choice: chooses the donor of a resample for each image; None for the step's own seed.
    """

    name: str
    step: Callable[[Sequence[str]], Step]
    choice: Consistent | None = None

    def of(self, editor: Edits, regions: Sequence[str]) -> Step:
        """Return the step for an image."""
        step = self.step(regions)
        return self.choice.step(editor, step) if self.choice and isinstance(step, Resample) else step


class Way(NamedTuple):
    """How images move towards new samples or other images: see `Resample.path` and `Resample.layers`."""

    path: str = "linear"
    layers: Sequence[int] | None = None


DIRECT = Way()


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


def resamples(
    seeds: Iterable[int],
    *,
    strength: float = 1.0,
    psi: float | None = None,
    choice: Consistent | None = None,
    way: Way = DIRECT,
) -> list[EditCandidate]:
    """Return candidates that redraw regions, each from the sample of a seed (see `Resample`).

    Args:
        seeds: one per candidate.
        strength: of every resample.
        psi: of the new samples.
        choice: if given, each donor is the best of several seeds that begin with its own (see `Consistent.step`).
        way: of every resample.
    """
    return [
        EditCandidate(
            f"best of {seed}-{seed + choice.candidates - 1}" if choice else f"seed {seed}",
            lambda regions, seed=seed: Resample(regions, seed, strength, psi, *way),  # type: ignore[misc]
            choice,
        )
        for seed in seeds
    ]


def transplants(
    donors: Iterable[tuple[str, int | Tensor]], *, strength: float = 1.0, way: Way = DIRECT
) -> list[EditCandidate]:
    """Return candidates that take regions from other images (see `Transplant`).

    Args:
        donors: captions, and seeds or latents [1, num_ws, w_dim].
        strength: of every transplant.
        way: of every transplant.
    """
    return [
        EditCandidate(name, lambda regions, donor=donor: Transplant(regions, donor, strength, *way))  # type: ignore[misc]
        for name, donor in donors
    ]


def along_directions(count: int, *, reach: float = REACH) -> list[EditCandidate]:
    """Return candidates along the first `count` directions of one region, both ways (see `DirectionEdit`)."""
    ends = [(direction, std) for direction in range(count) for std in (-reach, reach)]
    return [
        EditCandidate(f"{end[0]}: {end[1]:+g}", lambda regions, end=end: _direction_edit(regions, *end))  # type: ignore[misc]
        for end in ends
    ]


def along_set(of: str, direction: int, amounts: Sequence[float]) -> list[EditCandidate]:
    """Return candidates along a direction of a set added to the editors, one for each amount (see `DirectionEdit`)."""

    def candidate(std: float) -> EditCandidate:
        name = f"{std:+g}" if std else "0"
        return EditCandidate(name, lambda regions: DirectionEdit(JOIN.join(regions), direction, std, of))

    return [candidate(std) for std in amounts]


def in_parts(candidates: Sequence[EditCandidate], shares: Sequence[float]) -> list[EditCandidate]:
    """Return each candidate several times, scaled by each of `shares`."""
    return [
        EditCandidate(
            f"{candidate.name} x {share:g}",
            lambda regions, t=candidate, s=share: t.step(regions).part(s),  # type: ignore[misc]
            candidate.choice,
        )
        for candidate in candidates
        for share in shares
    ]


def _direction_edit(regions: Sequence[str], direction: int, std: float) -> Step:
    if len(regions) != 1:
        raise LinkGANError(f"directions belong to one region, not to {', '.join(regions)}; name one")
    return DirectionEdit(regions[0], direction, std)
