"""Region metrics in a host's metric runner: ``--metrics=link2k,link10k``, in addition to the host's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..hosts.metric_names import SIZES

if TYPE_CHECKING:
    from ..generators import LinkedGenerator
    from ..labels import Labels
    from .evaluate import Tally

# Pixels rendered at a time, those of 64 images of 128 x 128, and the largest batch.
_PIXELS, _MOST = 64 * 128 * 128, 64


def register(register_metric: Callable[[Callable[[Any], dict[str, float]]], Any]) -> None:
    """Register our metrics through a host's ``register_metric`` decorator, which keys them by ``__name__``."""
    for name, pairs in SIZES.items():
        register_metric(_metric(name, pairs))


def _metric(name: str, pairs: int) -> Callable[[Any], dict[str, float]]:
    def metric(opts: Any) -> dict[str, float]:
        return measure(opts, name, pairs)

    metric.__name__ = name
    return metric


def measure(opts: Any, name: str, pairs: int) -> dict[str, float]:
    """Measure the links of a host's network, on all its processes together.

    Args:
        opts: the host's metric options: G, device, dataset_kwargs, rank, num_gpus and, if the host has it, progress.
        name: name of the metric in the host; a smoke run measures few pairs, and its keys contain their number.
        pairs: number of pairs, on all processes together.
    Returns:
        ``<name>_<link>_<metric>`` -> value, the same on every rank.
    """
    from ..hosts import session, smoke
    from .attributes import classifier_for
    from .evaluate import evaluate, shared

    run = session.current()
    if run is not None and run.smoke:
        name, pairs = f"link{smoke.PAIRS}", smoke.PAIRS
    generator = _generator(opts)
    batch, share = _batch(generator.generator), (opts.rank, opts.num_gpus)
    results = evaluate(
        generator,
        pairs=pairs,
        batch=batch,
        classifier=classifier_for(opts.dataset_kwargs.get("path"), opts.device),
        progress=_progress(opts, name, len(shared(pairs, batch, share))),
        share=share,
        joined=lambda tally: _joined(tally, opts),
    )
    return {
        f"{name}_{link}_{key}": value
        for link, result in results.items()
        for key, value in result.values().items()
        if value is not None
    }


def _generator(opts: Any) -> LinkedGenerator:
    import copy

    from ..generators import LinkedGenerator
    from ..network_links import spec_of

    # During training, hosts pass a CPU copy of G_ema that other code uses too.
    network = copy.deepcopy(opts.G).eval().requires_grad_(False).to(opts.device)
    return LinkedGenerator(network, spec_of(network), labels=_labels(opts.dataset_kwargs, network.c_dim))


def _batch(network: Any) -> int:
    return max(4, min(_MOST, _PIXELS // getattr(network, "img_resolution", 256) ** 2))


def _labels(dataset_kwargs: Mapping[str, Any], c_dim: int) -> Labels | None:
    """Return labels of the host's own data set, None if the network takes none."""
    if not c_dim or "class_name" not in dataset_kwargs:
        return None
    from ..calls.build import build_by_name
    from ..labels import labels_from

    kwargs = {**dataset_kwargs}
    return labels_from(build_by_name(kwargs.pop("class_name"), **kwargs), c_dim)


def _progress(opts: Any, name: str, pairs: int) -> Callable[[int], object]:
    """Return a callback that drives the host's progress monitor over the `pairs` that this rank measures."""
    monitor: Any = getattr(opts, "progress", None)
    if not hasattr(monitor, "sub"):
        return lambda done: None
    bar = monitor.sub(tag=name, num_items=pairs)
    total = 0

    def count(done: int) -> None:
        nonlocal total
        total += done
        bar.update(total)

    return count


def _joined(tally: Tally, opts: Any) -> Tally:
    """Join the tallies of all ranks in order, so that the result is that of one process."""
    if opts.num_gpus == 1:
        return tally
    import contextlib

    import torch

    tallies: list[Any] = [None] * opts.num_gpus
    # Objects are sent through the current device, which hosts leave at GPU 0 on every rank.
    context = torch.cuda.device(opts.device) if opts.device.type == "cuda" else contextlib.nullcontext()
    with context:
        torch.distributed.all_gather_object(tallies, tally)
    first: Tally = tallies[0]
    for other in tallies[1:]:
        first.join(other)
    return first
