"""Recipes: every choice the regularizer leaves open, as one named switch each, and two named sets of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from .errors import LinkGANError, suggest

CHOICES: dict[str, tuple[str, ...]] = {
    "form": ("share", "log", "squared"),
    "moves": ("blocks", "complements"),
    "phase": ("main", "reg"),
    "reference": ("attached", "detached"),
}


@dataclass(frozen=True)
class Recipe:
    """How links are trained. The defaults are the best measured set; `paper` is the paper to the letter.

    Attributes:
        form: `share` = forbidden / (forbidden + allowed) change per block, scale-invariant; `log` = -log(1 - share), as
            steep for regions of few pixels, where the share begins near 1; `squared` = Eq. 3-4.
        moves: `blocks` moves every block alone, the rest included; `complements` moves each link's block and,
            for Eq. 3, every other block at once.
        fan: how many random moves of every unmoved image are rendered beside it; 0 = all there are. It shares the cost
            of the unmoved image, and keeps the whole cost independent of the number of links.
        perturb: name of a perturbation (`swap`, `gaussian` or a plugin's).
        strength: alpha of `gaussian`; share of the way to the donor for `swap`.
        weight: multiplies the whole term; 0 switches the plugin off, bit for bit.
        lambda_in: Eq. 5 lambda_1, weight of "unlinked axes must not move the region".
        lambda_out: Eq. 5 lambda_2, weight of "linked axes must not move the rest".
        start: share of the run's images, as it is planned at first, that pass before links take part, in [0, 1); until
            then the run is bit for bit the host's. What a region looks like must be learned before it can be kept
            apart: links from the first step on cost quality that links of a network which knows its pictures do not.
            Runs that begin with a trained network (`--resume`) start at once, unless they are told otherwise.
        interval: the term is computed every this many optimizer steps of its phase.
        lazy_gain: multiply the term by `interval`, so that `weight` does not depend on it.
        phase: `main` adds to the generator's main step; `reg` to its own regularization step, where a host has one.
        reference: `detached` sends no gradient through the unperturbed image.
        batch: share of the (micro)batch that is rendered unmoved, in (0, 1]; each with its `fan` of moved images. It
            bounds the cost: all are renders with gradients, and in stylegan3 or eg3d G takes most of a step.
        mixing: share of the samples that the host's own losses see with one block moved, in [0, 1].
        rest_floor: share of change in the links' regions that is allowed when the rest moves (`share` only).
        depth, raw: for 3D-aware generators, weights of forbidden squared changes of depth, in world units, and of the
            image before super-resolution, beside those of the image; each per value of its picture. The public eg3d's
            depth has a NaN as its gradient where a ray meets nothing at all, and the host drops that step: leave it
            at 0 where backgrounds are empty.
    """

    form: str = "share"
    moves: str = "blocks"
    fan: int = 3
    perturb: str = "swap"
    strength: float = 1.0
    weight: float = 2.5
    lambda_in: float = 3.0
    lambda_out: float = 1.0
    start: float = 0.25
    interval: int = 4
    lazy_gain: bool = True
    phase: str = "main"
    reference: str = "attached"
    batch: float = 0.125
    mixing: float = 0.0
    rest_floor: float = 0.0
    depth: float = 0.0
    raw: float = 0.0

    def __post_init__(self) -> None:
        """Check every switch.

        Raises:
            LinkGANError: a value is outside its range; names the switch, the value and the range.
        """
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise LinkGANError(
                    f"link {name} {getattr(self, name)!r} is unknown; {suggest(str(getattr(self, name)), allowed)}"
                )
        for name in ("strength", "weight", "lambda_in", "lambda_out", "rest_floor", "depth", "raw"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise LinkGANError(f"link {name} is {getattr(self, name)}; expected a finite number >= 0")
        if int(self.interval) != self.interval or self.interval < 1:
            raise LinkGANError(f"link interval is {self.interval}; expected a whole number of steps >= 1")
        if not 0 <= self.start < 1:
            raise LinkGANError(f"link start is {self.start}; expected a share of the run in [0, 1)")
        if int(self.fan) != self.fan or self.fan < 0:
            raise LinkGANError(f"link fan is {self.fan}; expected a whole number of moves >= 0, 0 for all")
        if not 0 < self.batch <= 1:
            raise LinkGANError(f"link batch is {self.batch}; expected a share of the batch in (0, 1]")
        if not 0 <= self.mixing <= 1:
            raise LinkGANError(f"link mixing is {self.mixing}; expected a share of the samples in [0, 1]")
        if self.rest_floor > 0 and self.form != "share":
            raise LinkGANError(f"link rest_floor {self.rest_floor} needs form 'share', not {self.form!r}")
        if self.rest_floor >= 1:
            raise LinkGANError(f"link rest_floor is {self.rest_floor}; expected a share in [0, 1)")

    def to_json(self) -> dict[str, Any]:
        """Return the switches as a plain dict, JSON-able."""
        return dataclasses.asdict(self)


RECIPES: dict[str, Recipe] = {
    "default": Recipe(),
    "paper": Recipe(
        form="squared",
        moves="complements",
        fan=0,
        perturb="gaussian",
        weight=20.0,
        lambda_in=1.0,
        start=0.0,
        interval=8,
        batch=1.0,
        mixing=0.5,
    ),
}


def make_recipe(name: str = "default", **switches: Any) -> Recipe:
    """Return the recipe `name` with some switches set; a switch that is None keeps the recipe's value.

    Raises:
        LinkGANError: unknown recipe or switch (lists the right ones), or a value outside its range.
    """
    if name not in RECIPES:
        raise LinkGANError(f"unknown link recipe {name!r}; {suggest(name, RECIPES)}")
    known = {field.name for field in dataclasses.fields(Recipe)}
    for switch in switches:
        if switch not in known:
            raise LinkGANError(f"unknown recipe switch {switch!r}; {suggest(switch, known)}")
    given = {switch: value for switch, value in switches.items() if value is not None}
    return dataclasses.replace(RECIPES[name], **given)
