"""Seeds, and random numbers that leave the host's random state unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import torch

from ..errors import LinkGANError

SEEDS = 2**32  # NumPy's RandomState accepts seeds from 0 to SEEDS - 1


def check_seed(value: Any, what: str = "seed") -> int:
    """Return a seed as an int.

    Args:
        value: the seed, possibly from a file or a web page.
        what: its name, for messages.
    Raises:
        LinkGANError: not a whole number from 0 to 2^32 - 1.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) < SEEDS:
        raise LinkGANError(f"{what} is {value!r:.60}, expected a whole number from 0 to {SEEDS - 1}")
    return int(value)


@contextmanager
def own_random_state(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Run the block with a copy of the random state, or with one seeded by `seed`; restore the host's afterwards."""
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
            if on_gpu:
                torch.cuda.default_generators[device.index or 0].manual_seed(seed)
        yield
