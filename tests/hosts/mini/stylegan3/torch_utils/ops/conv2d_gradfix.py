"""Switches of the fast convolutions; asks for torch's version through a package that setuptools dropped in 2026."""

from pkg_resources import parse_version
from torch.version import __version__ as version

enabled = parse_version("1.11.0a") > parse_version(version)
