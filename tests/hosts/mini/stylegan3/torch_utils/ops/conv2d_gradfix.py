"""Switches of the fast convolutions; asks for torch's version through a package that setuptools dropped in 2026."""

import torch
from pkg_resources import parse_version

enabled = parse_version(torch.__version__) < parse_version("1.11.0a")
