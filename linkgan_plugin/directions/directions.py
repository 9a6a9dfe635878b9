"""`Directions`: ways to move in a latent space of one network, whatever method found them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import LinkGANError
from .fields import Field, follow

SPACES = ("w", "z", "s")


@dataclass(frozen=True)
class Directions:
    """K directions in a latent space. Amount 1 is one standard deviation of what the network draws.

    Attributes:
        vectors: float32 [K, L, D], what amount 1 adds to latents [N, L', D]: L is L' (layer by layer; layers that a
            direction does not touch have zeros) or 1 (the same for every layer). In S, [K, 1, S]. For directions that
            bend, the mean velocity.
        space: `w`, `z`, or the style space `s`.
        effect: float32 [K], mean squared change of the region per image value at amount 1, images in [-1, 1]; of the
            whole image without a region. None where it was not measured.
        leak: float32 [K], the same outside the region, 0 without a region; None where it was not measured.
        names: of the directions, such as attributes; "" for directions without a name.
        method: that found them; "" for a file that does not say.
        settings: of the method, JSON-able.
        seed: of the method.
        region: expression of the region that they were found for; "" for none.
        network: SHA-256 of the network file; "" if not known.
        bend: the field, for directions that bend; None for straight ones.
        facts: numbers that the method states about what it found, such as the accuracy of a classifier.
    Raises:
        LinkGANError: shapes that do not fit together, numbers that are not finite, or an unknown space.
    """

    vectors: Tensor
    space: str = "w"
    effect: Tensor | None = None
    leak: Tensor | None = None
    names: tuple[str, ...] = ()
    method: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    region: str = ""
    network: str = ""
    bend: Field | None = None
    facts: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = list(self.vectors.shape)
        if self.vectors.ndim != 3 or not self.vectors.numel():
            raise LinkGANError(f"directions of shape {shape}, expected [K, L, D] with at least one direction")
        if self.space not in SPACES:
            raise LinkGANError(f"directions in space '{self.space:.20}', expected one of {', '.join(SPACES)}")
        if self.space == "s" and shape[1] != 1:
            raise LinkGANError(f"directions in S have shape [K, 1, S], not {shape}")
        if not bool(torch.isfinite(self.vectors).all()):
            raise LinkGANError("the directions have numbers that are not finite")
        for name in ("effect", "leak"):
            scores = getattr(self, name)
            if scores is not None and list(scores.shape) != shape[:1]:
                raise LinkGANError(f"{list(scores.shape)} numbers of {name} for {shape[0]} directions")
        if self.bend is not None and (len(self.bend) != shape[0] or shape[1] != 1 or self.space == "s"):
            raise LinkGANError(f"a field of {len(self.bend)} directions for vectors {shape} in {self.space.upper()}")
        if self.bend is not None and self.bend.dim != shape[2]:
            raise LinkGANError(f"a field over {self.bend.dim} axes for vectors {shape}")
        if not self.names:
            object.__setattr__(self, "names", ("",) * shape[0])
        if len(self.names) != shape[0]:
            raise LinkGANError(f"{len(self.names)} names for {shape[0]} directions")

    def __len__(self) -> int:
        return len(self.vectors)

    def title(self, index: int) -> str:
        """Return the name of a direction, or its number."""
        return self.names[index] or str(index)

    @property
    def inside(self) -> Tensor | None:
        """The share of each direction's change that is in the region, float32 [K] in [0, 1]; None if not measured."""
        if self.effect is None or self.leak is None:
            return None
        return self.effect / (self.effect + self.leak).clamp(min=1e-12)

    def only(self, indices: Sequence[int]) -> Directions:
        """Return some of the directions, in that order."""
        if self.bend is not None:
            bend = type(self.bend).from_tensors({k: v[list(indices)] for k, v in self.bend.tensors().items()})
        else:
            bend = None
        rows = list(indices)
        return dataclasses.replace(
            self,
            vectors=self.vectors[rows],
            effect=None if self.effect is None else self.effect[rows],
            leak=None if self.leak is None else self.leak[rows],
            names=tuple(self.names[row] for row in rows),
            bend=bend,
        )

    def moved(self, latents: Tensor, index: int, amount: float) -> Tensor:
        """Move latents along a direction.

        Args:
            latents: [N, L', D] in the directions' space, W or Z.
            index: which direction.
            amount: how far, in standard deviations; negative goes backwards.
        Returns:
            [N, L', D].
        Raises:
            LinkGANError: no such direction, directions in S, or latents that they do not fit.
        """
        self.check_index(index)
        if self.space == "s":
            raise LinkGANError("directions in S shift styles, not latents; see `offset`")
        if self.vectors.shape[1] not in (1, latents.shape[1]) or self.vectors.shape[2] != latents.shape[2]:
            raise LinkGANError(
                f"directions of {list(self.vectors.shape[1:])} for latents {list(latents.shape[1:])}; expected the "
                "same, or [1, D] for all layers"
            )
        if self.bend is None:
            return latents + amount * self.vectors[index].to(latents)
        return follow(self.bend, index, latents.flatten(0, 1), amount).view(latents.shape)

    def offset(self, index: int, amount: float) -> Tensor:
        """Return what a direction in S adds to the styles, [1, S].

        Raises:
            LinkGANError: no such direction, or directions in another space.
        """
        self.check_index(index)
        if self.space != "s":
            raise LinkGANError(f"directions in {self.space.upper()} move latents; see `moved`")
        return amount * self.vectors[index]

    def check_index(self, index: int) -> None:
        """Raise LinkGANError if there is no direction `index`."""
        if not 0 <= index < len(self):
            raise LinkGANError(f"there is no direction {index}; there are {len(self)}, 0 to {len(self) - 1}")

    def to(self, device: torch.device | str) -> Directions:
        """Return the directions on a device."""
        return dataclasses.replace(self, vectors=self.vectors.to(device))
