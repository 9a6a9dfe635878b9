"""Makes untrusted text safe to print."""


def printable(message: str) -> str:
    """Return `message` with unprintable characters replaced, so that it cannot break lines or control a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in message)
