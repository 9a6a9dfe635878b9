"""The step clock: counts optimizer steps per phase, whatever the number of microbatches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .generic import GenericHost


class StepClock:
    """Counts what a host calls `accumulate_gradients` for; it reads only what is the same on every rank."""

    def __init__(self, host: GenericHost) -> None:
        self.host = host
        self.steps: dict[str, int] = {}
        self._keys: dict[str, Any] = {}
        self._open: dict[str, bool] = {}
        self._rounds: dict[str, int] = {}

    def tick(self, phase: str, call: Mapping[str, Any]) -> None:
        """Note one call of `accumulate_gradients`."""
        key = self.host.step_key(phase, call)
        same = self._open.get(phase, False) if key is None else key == self._keys.get(phase)
        self._rounds[phase] = self._rounds[phase] + 1 if same else 0
        if not same:
            self.steps[phase] = self.steps.get(phase, -1) + 1
        self._keys[phase], self._open[phase] = key, not self.host.ends_step(call)

    def step(self, phase: str) -> int:
        """Return the number of the phase's current optimizer step, from 0."""
        return self.steps[phase]

    def round(self, phase: str) -> int:
        """Return the number of the current microbatch within its step, from 0."""
        return self._rounds[phase]
