"""The step clock: counts optimizer steps per phase and the run's images, for any number of microbatches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import distributed

from .generic import GenericHost


class StepClock:
    """Counts the host's `accumulate_gradients` calls; it reads only values that are equal on every rank.

    Attributes:
        steps: phase -> number of its current optimizer step, from 0.
        nimg: number of images that the run had seen, on all ranks, before the current step of G's main phase.
    """

    def __init__(self, host: GenericHost) -> None:
        self.host = host
        self.steps: dict[str, int] = {}
        self.nimg = 0
        self._keys: dict[str, Any] = {}
        self._open: dict[str, bool] = {}
        self._rounds: dict[str, int] = {}
        self._step_nimg = 0

    def tick(self, phase: str, call: Mapping[str, Any]) -> None:
        """Count one call of `accumulate_gradients`."""
        key = self.host.step_key(phase, call)
        same = self._open.get(phase, False) if key is None else key == self._keys.get(phase)
        self._rounds[phase] = self._rounds[phase] + 1 if same else 0
        if not same:
            self.steps[phase] = self.steps.get(phase, -1) + 1
        self._keys[phase], self._open[phase] = key, not self.host.ends_step(call)
        if "cur_nimg" in call:
            self.nimg = call["cur_nimg"]
        elif self.host.is_generator_phase(phase, "main"):
            self._count_images(len(call["gen_z"]), new_step=not same)

    def _count_images(self, count: int, *, new_step: bool) -> None:
        """Count the images of a microbatch; they count as seen when the next step begins."""
        if new_step:
            self.nimg, self._step_nimg = self.nimg + self._step_nimg, 0
        ranks = distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
        self._step_nimg += count * ranks

    def state_dict(self) -> dict[str, Any]:
        """Return the counts after a whole step."""
        return {"steps": dict(self.steps), "nimg": self.nimg + self._step_nimg}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict()`."""
        self.steps, self.nimg, self._step_nimg = dict(state["steps"]), state.get("nimg", 0), 0

    def step(self, phase: str) -> int:
        """Return the number of the phase's current optimizer step, from 0."""
        return self.steps[phase]

    def round(self, phase: str) -> int:
        """Return the number of the current microbatch within its step, from 0."""
        return self._rounds[phase]
