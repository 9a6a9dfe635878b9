"""Text from files in messages: it cannot break lines or steer a terminal."""

from __future__ import annotations


def printable(message: str) -> str:
    """Return a message in which what a file says cannot break lines or steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in message)
