"""Speed of region metrics: images per second in the evaluation, compared with plain synthesis of the same images."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..calls.rendering import Rendering
from ..generators import LinkedGenerator
from ..metrics.evaluate import AttributeClassifier, evaluate
from .ratio import paired_ratio, take_turns
from .tables import markdown


class Recorder(LinkedGenerator):
    """A generator that records what it renders.

    Attributes:
        rendered: if it is a list, the latents and labels of every call are appended to it.
    """

    rendered: list[tuple[Tensor, Tensor | None]] | None = None

    @torch.no_grad()
    def rendering(self, latents: Tensor, labels: Tensor | None = None) -> Rendering:
        """Render latents [N, ...] as `LinkedGenerator` does, and record the call."""
        if self.rendered is not None:
            self.rendered.append((latents, labels))
        return super().rendering(latents, labels)


def measure_throughput(
    generator: LinkedGenerator,
    classifier: AttributeClassifier | None,
    *,
    pairs: int,
    batch: int,
    rounds: int,
    metrics: Sequence[str] | None = None,
    progress: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Evaluate `pairs` pairs and render the same images in the same batches, alternating, `rounds` times each.

    Args:
        generator: the network with its spec.
        classifier: for metrics that read attributes.
        metrics: their names; None = all that are available.
    Returns:
        ``ratio`` (bare seconds / seconds of the evaluation; 1 = metrics cost only their images) with ``low`` and
        ``high`` (its quartiles over rounds), ``images`` per round and both sides' ``images_per_second``.
    """
    recorder = Recorder(generator.generator, generator.spec, labels=generator.labels)

    def evaluation() -> None:
        evaluate(recorder, pairs=pairs, batch=batch, metrics=metrics, classifier=classifier)

    calls: list[tuple[Tensor, Tensor | None]] = []
    recorder.rendered = calls
    evaluation()
    recorder.rendered = None

    def synthesis() -> None:
        for latents, labels in calls:
            generator.render(latents, labels)

    inside, bare = take_turns(
        lambda: timed(evaluation, generator.device), lambda: timed(synthesis, generator.device), rounds, progress
    )
    images = sum(len(latents) for latents, _ in calls)
    ratio = paired_ratio(bare, inside)
    return {
        "ratio": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "rounds": ratio.rounds,
        "images": images,
        "images_per_second": images / min(inside),
        "images_per_second_bare": images / min(bare),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    header = ["metrics", "metrics / bare", "middle half", "images/s in metrics", "images/s bare"]
    cells = [
        [
            row["metrics"],
            f"{row['ratio']:.3f}",
            f"{row['low']:.3f} - {row['high']:.3f}",
            f"{row['images_per_second']:.0f}",
            f"{row['images_per_second_bare']:.0f}",
        ]
        for row in rows
    ]
    return markdown(header, cells)


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that work takes, including what it has queued on the device."""
    started = _now(device)
    work()
    return _now(device) - started


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
