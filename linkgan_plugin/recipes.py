"""Recipes: the regularizer's options as named switches, and named sets of them: `default`, `photographs`, `paper`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import LinkGANError, suggest

CHOICES: dict[str, tuple[str, ...]] = {
    "form": ("share", "log", "squared"),
    "perturbations": ("blocks", "complements"),
    "phase": ("main", "reg"),
    "reference": ("attached", "detached"),
}


# Switches under the names of version 0.1, which stored recipes may have.
FORMER = {"moves": "perturbations", "fan": "per_sample"}


@dataclass(frozen=True)
class Recipe:
    """How links are trained. The defaults are the best measured set; `paper` follows the paper exactly.

    Attributes:
        form: `share` = leak / (leak + effect) per perturbation, at any scale; `log` = -log(1 - share),
            which stays steep for small regions, whose share begins near 1; `squared` = Eq. 3-4.
        perturbations: `blocks` perturbs every block alone, the rest included; `complements` perturbs each link's block
            and, for Eq. 3, all other axes at once.
        per_sample: perturbed images that are rendered for each reference image, drawn at random from all perturbations;
            0 = all of them. They share the cost of the reference image, and the cost does not depend on the number of
            links.
        perturb: how a block is changed: `swap`, `gaussian`, or the name of a plugin's perturbation.
        strength: alpha of `gaussian`; share of the way to the donor for `swap`.
        weight: factor of the whole term; 0 measures without training, bit for bit the host.
        lambda_in: Eq. 5 lambda_1, weight of "unlinked axes must not change the region".
        lambda_out: Eq. 5 lambda_2, weight of "linked axes must not change the rest".
        start: share of the run's images before links take part, in [0, 1); until then it is bit for bit the host's.
            A network that has learned what a region looks like loses less quality to links than one that has not.
            Runs that resume from a trained network start at once by default.
        interval: compute the term every this many optimizer steps of its phase, >= 1.
        lazy_gain: multiply the term by `interval`, so that `weight` does not depend on it.
        phase: `main` adds to the generator's main step; `reg` to its own regularization step, where a host has one.
        reference: `detached` sends no gradient through the reference image.
        batch: share of the (micro)batch that gets a reference image and perturbed ones, in (0, 1]. It bounds the cost:
            all are rendered with gradients, and in stylegan3 and eg3d the generator takes most of a step.
        mixing: share of the samples in the host's own losses that have one block perturbed, in [0, 1].
        rest_floor: leak share of the rest that is not penalised, in [0, 1) (`share` only).
        thumbnail: side in pixels of a thumbnail; a change inside a region counts only as far as this thumbnail does not
            show it, 0 = all of it counts. On photographs a region's colour and light depend on the rest of the image:
            with a thumbnail they stay with the rest, and the link gets the region's structure.
        depth: for 3D-aware generators, weight of the depth leak (world units), added to that of the image, per value.
            In the public eg3d the gradient of depth is NaN where a ray meets nothing, and the host drops that step:
            keep 0 where backgrounds are empty.
        raw: for 3D-aware generators, weight of the leak in the image before super-resolution, per value.
    """

    form: str = "share"
    perturbations: str = "blocks"
    per_sample: int = 3
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
    thumbnail: int = 0
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
        if int(self.per_sample) != self.per_sample or self.per_sample < 0:
            raise LinkGANError(
                f"link per_sample is {self.per_sample}; expected a whole number of perturbations >= 0, 0 for all"
            )
        if int(self.thumbnail) != self.thumbnail or self.thumbnail < 0:
            raise LinkGANError(f"link thumbnail is {self.thumbnail}; expected a side in pixels, 0 for no thumbnail")
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

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipe:
        """Read what `to_json` wrote, in this version or the first.

        Raises:
            LinkGANError: an unknown switch, or a value outside its range.
        """
        return make_recipe("default", **{FORMER.get(name, name): value for name, value in data.items()})


RECIPES: dict[str, Recipe] = {
    "default": Recipe(),
    # For links added to a trained network, in a basis found for them (`--link-basis`): see docs/recipes.md.
    "photographs": Recipe(lambda_in=1.0, interval=1, thumbnail=8),
    "paper": Recipe(
        form="squared",
        perturbations="complements",
        per_sample=0,
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
