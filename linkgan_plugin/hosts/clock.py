"""The former module of `linkgan_plugin.calls.clock`; other plugins import from it."""

from ..calls.clock import StepClock

__all__ = ["StepClock"]
