"""Sets of directions that an image is edited along, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..calls.spaces import axes_of
from ..calls.styles import Styles
from ..directions.directions import Directions
from ..errors import LinkGANError, suggest
from ..generators import LinkedGenerator
from .steps import DirectionEdit, Step

MOST_BENT = 1000  # standard deviations: directions that bend are followed in small steps


class DirectionSets(Mapping[str, Directions]):
    """Sets of directions by name, checked against a network.

    Args:
        generator: the network.
        layers: number of layers of its latents.
    """

    def __init__(self, generator: LinkedGenerator, layers: int) -> None:
        self._generator, self._layers = generator, layers
        self._sets: dict[str, Directions] = {}

    def __getitem__(self, name: str) -> Directions:
        if name not in self._sets:
            raise LinkGANError(f"no directions were added as '{name:.80}'; {suggest(name, self._sets)}")
        return self._sets[name]

    def __contains__(self, name: object) -> bool:
        return name in self._sets

    def __iter__(self) -> Iterator[str]:
        return iter(self._sets)

    def __len__(self) -> int:
        return len(self._sets)

    def add(self, name: str, directions: Directions) -> None:
        """Add a set; raises LinkGANError as `Edits.add_directions` does."""
        if not name:
            raise LinkGANError("a set of directions needs a name, which DirectionEdit gives as `of`")
        check_directions(directions, self._generator, self._layers)
        if name in self and not _same(self[name], directions):
            raise LinkGANError(f"other directions were added as '{name:.80}'; choose another name")
        self._sets.setdefault(name, directions.to(self._generator.device))

    def moved(self, step: DirectionEdit, latents: Tensor) -> Tensor:
        """Return latents [1, L, D] after a step along a set in W or Z; LinkGANError if it goes too far."""
        directions = self[step.of]
        if directions.bend is not None and abs(step.std) > MOST_BENT:
            raise LinkGANError(f"std {step.std:g} along a direction that bends; expected at most {MOST_BENT}")
        return directions.moved(latents, step.direction, step.std)

    def shifted(self, step: Step, styles: Tensor | None) -> Tensor | None:
        """Return what is added to the styles, [1, S] or None, after a step; only sets in S change it."""
        if not self.in_styles(step):
            return styles
        assert isinstance(step, DirectionEdit)
        shift = self[step.of].offset(step.direction, step.std)
        shift = shift if styles is None else styles + shift
        return shift if bool(shift.any()) else None

    def in_styles(self, step: Step) -> bool:
        """Return whether a step moves along a set in S; LinkGANError for a set that was not added."""
        return isinstance(step, DirectionEdit) and bool(step.of) and self[step.of].space == "s"

    def check_kept(self, step: Step, kept: Sequence[str]) -> None:
        """Raise LinkGANError if a step along a set in S should keep some regions as they are."""
        if kept and self.in_styles(step):
            raise LinkGANError(
                f"directions in S shift styles, which belong to no region, so they cannot keep {', '.join(kept)} as it "
                "is: move all regions, none of them locked, or use directions in W or Z"
            )


def load_sets(files: Sequence[Path], generator: nn.Module) -> dict[str, Directions]:
    """Return the directions in files for a network, by the names of the files without suffix.

    Raises:
        LinkGANError: a file that cannot be read, or directions of another network.
    """
    if not files:
        return {}
    from ..directions.files import load_directions

    layers = getattr(generator, "num_ws", None)
    space, dim = next(iter(axes_of(generator).items()), ("w", None))
    sets: dict[str, Directions] = {}
    for file in files:
        found = load_directions(file, layers, dim, space=space)
        name, number = file.stem, 2
        while name in sets:
            name, number = f"{file.stem} {number}", number + 1
        sets[name] = found
    return sets


def space_of(sets: Mapping[str, Directions]) -> str | None:
    """Return the latent space of directions, for a network without links; None if all are in S."""
    return next((found.space for found in sets.values() if found.space != "s"), None)


def check_directions(directions: Directions, generator: LinkedGenerator, layers: int) -> None:
    """Check that directions are of the space and size of a network.

    Args:
        directions: the directions.
        generator: the network.
        layers: number of layers L of its latents.
    Raises:
        LinkGANError: says what they are and what the network has.
    """
    spec = generator.spec
    _, own, dim = directions.vectors.shape
    if directions.space == "s":
        channels = Styles(generator.generator).dim
        if dim != channels:
            raise LinkGANError(f"directions over {dim} style channels; this network has {channels}")
        return
    if directions.space != spec.space:
        raise LinkGANError(
            f"directions in {directions.space.upper()} and a network that is edited in {spec.space.upper()}; use "
            f"directions in {spec.space.upper()} or S"
        )
    if dim != spec.dim or own not in (1, layers):
        raise LinkGANError(
            f"directions of {own} layers with {dim} axes; this network takes {layers}, or 1 for all of them, with "
            f"{spec.dim}"
        )


def _same(one: Directions, other: Directions) -> bool:
    """Return whether two sets move latents alike."""
    if one.space != other.space or (one.bend is None) != (other.bend is None):
        return False
    pairs = [(one.vectors, other.vectors)]
    if one.bend is not None and other.bend is not None:
        if one.bend.kind != other.bend.kind:
            return False
        theirs = other.bend.tensors()
        pairs += [(part, theirs[name]) for name, part in one.bend.tensors().items()]
    return all(torch.equal(a.cpu(), b.cpu()) for a, b in pairs)
