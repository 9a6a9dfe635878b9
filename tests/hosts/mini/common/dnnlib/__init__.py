"""Small helpers of a miniature host, under the names that the real hosts use."""

from .util import EasyDict

__all__ = ["EasyDict"]
