"""The former place of `linkgan_plugin.calls.clock`, from which plugins of others import."""

from ..calls.clock import StepClock

__all__ = ["StepClock"]
