"""Random numbers drawn beside the host's: its own random state stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def own_random_state(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Give the block a copy of the random state, or one of its own by `seed`; the host's is left where it was."""
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
            if on_gpu:
                torch.cuda.default_generators[device.index or 0].manual_seed(seed)
        yield
