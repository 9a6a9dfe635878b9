"""The former module of `linkgan_plugin.calls.generic`; other plugins import from it."""

from ..calls.generic import GenericHost

__all__ = ["GenericHost"]
