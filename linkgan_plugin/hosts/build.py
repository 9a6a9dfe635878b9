"""The former module of `linkgan_plugin.calls.build`; other plugins import from it."""

from ..calls.build import build_by_name

__all__ = ["build_by_name"]
