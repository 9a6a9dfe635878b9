"""The former place of `linkgan_plugin.calls.build`, from which plugins of others import."""

from ..calls.build import build_by_name

__all__ = ["build_by_name"]
