"""Region metrics in a host's metric runner: ``--metrics=link2k,link10k`` beside the host's own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ..generators import LinkedGenerator, spec_of
from .evaluate import evaluate
from .readers import reader_for

SIZES = {"link2k": 2_000, "link10k": 10_000}


def register(register_metric: Callable[[Callable[[Any], dict[str, float]]], Any]) -> None:
    """Register our metrics through a host's ``register_metric`` decorator, which keys them by ``__name__``."""
    for name, pairs in SIZES.items():
        register_metric(_metric(name, pairs))


def _metric(name: str, pairs: int) -> Callable[[Any], dict[str, float]]:
    def metric(opts: Any) -> dict[str, float]:
        # During training a host hands over a CPU copy of G_ema that others use as well.
        network = copy.deepcopy(opts.G).eval().requires_grad_(False).to(opts.device)
        generator = LinkedGenerator(network, spec_of(network))
        reader = reader_for(opts.dataset_kwargs.get("path"), opts.device)
        results = evaluate(generator, pairs=pairs, reader=reader)
        return {
            f"{name}_{link}_{key}": value
            for link, result in results.items()
            for key, value in result.values().items()
            if value is not None
        }

    metric.__name__ = name
    return metric
