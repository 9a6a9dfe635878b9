"""The errors that mean "the input was wrong": the message names the value, what was expected and the way out."""


class InputError(ValueError):
    """Input that a user can correct. The base of every such error here; linkgan_plugin calls it LinkGANError."""


class OptionError(InputError):
    """An option whose value cannot work; the message names it, what was given and what was expected."""
