"""What a run's state file holds, leaf by leaf, so that two runs can be compared to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

CLOCK = "/progress/elapsed"  # the only thing in a state that two equal runs do not share


def leaves(run_dir: Path) -> dict[str, Any]:
    """Every tensor, number and text of the state by its path in the file."""
    found: dict[str, Any] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(item, f"{path}/{key}")
        elif isinstance(value, (list, tuple)):
            for i, item in enumerate(value):
                walk(item, f"{path}/{i}")
        else:
            found[path] = value

    walk(torch.load(run_dir / "training-state.pt", weights_only=True), "")
    return found


def tensors(run_dir: Path) -> dict[str, torch.Tensor]:
    """The tensors among them."""
    return {path: value for path, value in leaves(run_dir).items() if isinstance(value, torch.Tensor)}


def assert_same_end(first: Path, second: Path) -> None:
    """Weights, averages, optimizers, losses, step counters and random states are the same to the bit."""
    a, b = leaves(first), leaves(second)
    assert a.keys() == b.keys()
    for part in (
        "/networks/G_ema/",
        "/optimizers/D/state/",
        "/ranks/0/random/torch",
        "/ranks/0/loss",
        "/progress/step",
    ):
        assert any(path.startswith(part) for path in a), part
    assert [path for path in a if path != CLOCK and not _equal(a[path], b[path])] == []


def _equal(a: Any, b: Any) -> bool:
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
