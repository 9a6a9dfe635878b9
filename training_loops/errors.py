"""The error of the hosts that means "this option cannot work", with the way out in its message."""


class OptionError(ValueError):
    """An option whose value cannot work; the message names it, what was given and what was expected."""
