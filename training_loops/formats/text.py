"""Text from elsewhere, made safe to show."""


def printable(message: str) -> str:
    """Return a message in which what a file says cannot break lines or steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in message)
