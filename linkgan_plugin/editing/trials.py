"""Trials: what can be tried on regions of images, side by side: new samples, other images, strong directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from torch import Tensor

from ..errors import LinkGANError
from ..links import LinkSpec
from .steps import ALL, Resample, Slide, Step, Transplant

REACH = 2.0  # standard deviations that slides go to either side


class EditCandidate(NamedTuple):
    """An edit for any regions: what it is called under an image, and the step that it is on some regions."""

    name: str
    step: Callable[[Sequence[str]], Step]


class Group(NamedTuple):
    """Regions that move together: what they are called, and the names of their blocks."""

    name: str
    regions: tuple[str, ...]

    @classmethod
    def read(cls, text: str, spec: LinkSpec) -> Group:
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
    """Return trials that redraw regions, each from the sample of a seed (see `Resample`)."""
    return [
        EditCandidate(f"seed {seed}", lambda regions, seed=seed: Resample(regions, seed, strength, psi))  # type: ignore[misc]
        for seed in seeds
    ]


def transplants(donors: Iterable[tuple[str, int | Tensor]], *, strength: float = 1.0) -> list[EditCandidate]:
    """Return trials that take regions from other images: their names, and seeds or latents (see `Transplant`)."""
    return [
        EditCandidate(name, lambda regions, donor=donor: Transplant(regions, donor, strength))  # type: ignore[misc]
        for name, donor in donors
    ]


def slides(count: int, *, reach: float = REACH) -> list[EditCandidate]:
    """Return trials that go along the first `count` directions of one region, to both sides (see `Slide`)."""
    ends = [(direction, amount) for direction in range(count) for amount in (-reach, reach)]
    return [
        EditCandidate(f"{direction}: {amount:+g}", lambda regions, end=(direction, amount): _slide(regions, *end))  # type: ignore[misc]
        for direction, amount in ends
    ]


def in_parts(trials: Sequence[EditCandidate], shares: Sequence[float]) -> list[EditCandidate]:
    """Return every trial as several, which go these shares of its way."""
    return [
        EditCandidate(f"{trial.name} x {share:g}", lambda regions, t=trial, s=share: t.step(regions).part(s))  # type: ignore[misc]
        for trial in trials
        for share in shares
    ]


def _slide(regions: Sequence[str], direction: int, amount: float) -> Step:
    if len(regions) != 1:
        raise LinkGANError(f"directions belong to one region, not to {', '.join(regions)}; name one")
    return Slide(regions[0], direction, amount)
