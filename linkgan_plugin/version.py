"""The version of the package, which files and results carry."""

__version__ = "0.1.0"
