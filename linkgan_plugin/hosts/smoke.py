"""Smoke runs: host commands limited to a few steps and images."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from ..recipes import make_recipe

STEPS = 4
GRID = (4, 2)
PAIRS = 16


def limit(options: MutableMapping[str, Any]) -> None:
    """Limit a host's training options, in place, to `STEPS` optimizer steps, with a snapshot at the start and end."""
    options["total_kimg"] = min(options.get("total_kimg", float("inf")), STEPS * options["batch_size"] / 1000)
    for name in ("image_snapshot_ticks", "network_snapshot_ticks"):
        options[name] = 1
    loader = options.get("data_loader_kwargs")
    if loader:
        loader["num_workers"] = min(1, loader.get("num_workers", 0))


def at_once(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return link flags with which links start at the first step.

    Raises:
        LinkGANError: switches that are also invalid for a full run.
    """
    make_recipe(flags["recipe_name"], **flags["switches"])
    return {**flags, "switches": {**flags["switches"], "start": 0.0}}


def small_grid(size: tuple[int, int], images: Any, labels: Any) -> tuple[tuple[int, int], Any, Any]:
    """Return at most `GRID` (columns, rows) images of a grid.

    Args:
        size: columns and rows.
        images: [N, C, H, W].
        labels: [N, c_dim]; N = columns * rows.
    """
    columns, rows = min(GRID[0], size[0]), min(GRID[1], size[1])
    return (columns, rows), images[: columns * rows], labels[: columns * rows]
