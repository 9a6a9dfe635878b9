"""One network's results as plain data, and the versions that they depend on."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..version import __version__
from .evaluate import LinkResult


def record(links: Mapping[str, LinkResult], quality: float | None = None) -> dict[str, Any]:
    """Return ``metrics`` and ``stderr``, each link name -> metric key -> number or None, and ``quality``, if any."""
    found = {
        "metrics": {name: result.values() for name, result in links.items()},
        "stderr": {
            name: {key: estimate.stderr for key, estimate in result.estimates.items()} for name, result in links.items()
        },
    }
    return found if quality is None else {**found, "quality": quality}


def versions() -> dict[str, str]:
    """Return the versions that results depend on."""
    return {
        "linkgan_plugin": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
