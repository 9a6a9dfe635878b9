"""The former place of `linkgan_plugin.calls.generic`, from which plugins of others import."""

from ..calls.generic import GenericHost

__all__ = ["GenericHost"]
