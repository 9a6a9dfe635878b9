"""How photographs are inverted: by search, by an encoder, or by both with pivotal tuning."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..calls.random_state import check_seed
from ..errors import LinkGANError

SPACES = ("w", "w+")
STEPS = 1000
TUNED, ENCODED, RESTYLED, DETAILED = "tuned", "encoder", "restyle", "details"
SEARCH, TUNE = "search", "tune"
METHODS: dict[str, tuple[str, ...]] = {
    SEARCH: (),
    ENCODED: (ENCODED,),
    RESTYLED: (ENCODED, RESTYLED),
    TUNE: (ENCODED, RESTYLED),
    DETAILED: (ENCODED, RESTYLED, DETAILED),
}
TUNING_STEPS = 300  # of the method `tune`, unless others are given


@dataclass(frozen=True)
class InversionSettings:
    """Settings of the inversion of every photograph.

    Attributes:
        space: `w`, or `w+`, which starts from the solution in W.
        steps: in each space.
        tune: steps of pivotal tuning afterwards, 0 for none; with the method `tune`, 0 means 300.
        noise: whether the noise maps, if any, are optimised too; the encoder's methods leave them as they are.
        locality: weight that keeps tuning local, 0 for none (see tuning.py).
        seed: of all randomness. Photographs in one batch affect each other's results only by rounding.
        method: `search` optimises latents; `encoder` is one pass of an encoder, `restyle` all its passes, `tune` these
            with pivotal tuning afterwards, and `details` these with the details of the encoder's file.
    """

    space: str = "w+"
    steps: int = STEPS
    tune: int = 0
    noise: bool = True
    locality: float = 0.0
    seed: int = 0
    method: str = SEARCH

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            LinkGANError: one is out of range.
        """
        if self.space not in SPACES:
            raise LinkGANError(f"space {self.space!r}: known are {', '.join(SPACES)}")
        for name, value, least in (("steps", self.steps, 1), ("tune", self.tune, 0)):
            if value < least:
                raise LinkGANError(f"{name} is {value}, expected at least {least}")
        if self.method not in METHODS:
            raise LinkGANError(f"method {self.method!r:.80}: known are {', '.join(METHODS)}")
        if self.tune and self.method in (ENCODED, RESTYLED, DETAILED):
            raise LinkGANError(f"method '{self.method}' tunes nothing; use the method 'tune', or set tune to 0")
        if self.method == TUNE and not self.tune:
            object.__setattr__(self, "tune", TUNING_STEPS)
        check_seed(self.seed)
        if not 0 <= self.locality < math.inf:
            raise LinkGANError(f"locality is {self.locality}, expected 0 or more, and finite")
        if self.locality and not self.tune:
            raise LinkGANError("locality has an effect only on tuning; set tune above 0, or locality to 0")

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages in order: w, w+ or encoder, restyle, details; then tuned."""
        searched = SPACES[: SPACES.index(self.space) + 1]
        return (*(METHODS[self.method] or searched), *((TUNED,) if self.tune else ()))

    def steps_of(self, stage: str) -> int:
        """Return the steps of a stage; an encoder's is one."""
        return {TUNED: self.tune, ENCODED: 1, RESTYLED: 1, DETAILED: 1}.get(stage, self.steps)

    def total(self, images: int) -> int:
        """Return the number of steps for `images` images, counted per image."""
        return sum(map(self.steps_of, self.stages)) * images


def check_method(method: str, encoder: bool) -> None:
    """Refuse a method without the encoder that it needs, and an encoder that the method does not use.

    Args:
        method: one of `METHODS`.
        encoder: whether there is one.
    Raises:
        LinkGANError: says what to give or leave out.
    """
    if METHODS.get(method) and not encoder:
        raise LinkGANError(f"method '{method}' needs an encoder; train one with `linkgan encoder train`")
    if encoder and not METHODS.get(method):
        used = ", ".join(name for name, stages in METHODS.items() if stages)
        raise LinkGANError(f"method '{method}' uses no encoder; choose one of {used}")
