"""The evaluation pass: renders seeded pairs of every link once and passes them to all metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .. import registry
from ..calls.rendering import Rendering
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..regions.base import Scene
from ..regularizer import MIN_PIXELS
from .base import AttributeReadings, DepthViews, Metric, PairBatch, as_figures, select
from .estimate import Array, Estimate

# First seed of donors, so that no image is its own donor.
DONOR_OFFSET = 1 << 20
# Number of images over which a region's position is averaged, to find the attributes that belong to it.
OWNERSHIP_SEEDS = 32


class AttributeClassifier(Protocol):
    """Predicts attributes of images, and returns which of them belong to a region."""

    def attributes(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] -> attributes [N, A]."""

    def owned(self, scene: Scene, mask: Tensor) -> np.ndarray:
        """A scene and a region mask [1 or N, 1, H, W] -> bool [A], the attributes whose pixels lie in the region."""


@dataclass(frozen=True)
class LinkResult:
    """One link's estimates, and the number of pairs without its region.

    Attributes:
        estimates: metric key -> estimate.
        pairs: number of rendered pairs.
        skipped: number of pairs whose original does not contain the region.
    """

    estimates: dict[str, Estimate]
    pairs: int
    skipped: int

    def values(self) -> dict[str, float | None]:
        """Return key -> value, as plain data."""
        return {key: estimate.value for key, estimate in self.estimates.items()}


def metric_classes(
    names: Sequence[str] | None, *, with_attributes: bool, with_depth: bool = False
) -> list[type[Metric]]:
    """Load region metrics from the registry.

    Args:
        names: registry names; None = all that can be computed.
        with_attributes: whether there is an attribute classifier, which some metrics need.
        with_depth: whether the generator renders depth, which some metrics need.
    Raises:
        LinkGANError: an unknown name, or a metric that needs a missing attribute classifier or depth.
    """
    chosen = list(names) if names is not None else registry.names("metrics")
    classes = [registry.load("metrics", name) for name in chosen]
    for name, cls in zip(chosen, classes, strict=True) if names is not None else ():
        if cls.needs_attributes and not with_attributes:
            raise LinkGANError(
                f"metric {name!r} needs attributes, which only procedural data has; give such data with --data"
            )
        if cls.needs_depth and not with_depth:
            raise LinkGANError(f"metric {name!r} needs depth, which this generator does not render")
    return [
        cls for cls in classes if (with_attributes or not cls.needs_attributes) and (with_depth or not cls.needs_depth)
    ]


class Tally:
    """The metrics of every link over the pairs so far; tallies of several processes can be joined.

    Args:
        names: names of the links.
        classes: the metrics.
    """

    def __init__(self, names: Sequence[str], classes: Sequence[type[Metric]]) -> None:
        self.metrics = {name: [cls() for cls in classes] for name in names}
        self.skipped = dict.fromkeys(names, 0)
        self.pairs = 0

    def show(self, name: str, batch: PairBatch | None, absent: int) -> None:
        """Update a link's metrics with a batch, and count the `absent` pairs without the region."""
        self.skipped[name] += absent
        if batch is not None:
            for metric in self.metrics[name]:
                metric.update(batch)

    def join(self, other: Tally) -> None:
        """Add the results of another process, as if its pairs had been measured here after these."""
        self.pairs += other.pairs
        for name, metrics in self.metrics.items():
            self.skipped[name] += other.skipped[name]
            for metric, more in zip(metrics, other.metrics[name], strict=True):
                metric.join(more)

    def results(self) -> dict[str, LinkResult]:
        """Return link name -> its estimates."""
        return {
            name: LinkResult({metric.key: metric.result() for metric in metrics}, self.pairs, self.skipped[name])
            for name, metrics in self.metrics.items()
        }


def shared(pairs: int, batch: int, share: tuple[int, int]) -> range:
    """Return the pairs that one of several processes measures: (rank, processes) -> a range of whole batches.

    So each pair is rendered in the same batch for any number of processes.
    """
    rank, processes = share
    batches = -(-pairs // batch)
    first, stop = (batches * part // processes * batch for part in (rank, rank + 1))
    return range(first, min(stop, pairs))


def alone(tally: Tally) -> Tally:
    """Return the tally of a single process."""
    return tally


@torch.no_grad()
def evaluate(
    generator: LinkedGenerator,
    *,
    pairs: int = 2000,
    batch: int = 64,
    seed: int = 0,
    metrics: Sequence[str] | None = None,
    classifier: AttributeClassifier | None = None,
    progress: Callable[[int], object] = lambda n: None,
    share: tuple[int, int] = (0, 1),
    joined: Callable[[Tally], Tally] = alone,
) -> dict[str, LinkResult]:
    """Measure every link of a generator on seeded pairs.

    Pair k takes its original from seed `seed + k` and its donor from another range of seeds, so the result depends
    neither on the number of processes nor, up to rounding, on `batch`. (3D-aware generators jitter the rays of a whole
    batch at once; their results differ by that noise.)

    Args:
        generator: the network with its spec.
        pairs: number of pairs, at least 2.
        batch: images per forward.
        seed: first seed.
        metrics: registry names, None = all.
        classifier: for the metrics that need attributes.
        progress: called with the number of pairs done since its last call.
        share: (rank, processes): this process measures its part of the pairs.
        joined: merges the tallies of all processes.
    Returns:
        link name -> LinkResult.
    Raises:
        LinkGANError: fewer than 2 pairs, unknown metrics.
    """
    if pairs < 2:
        raise LinkGANError(f"{pairs} pairs were requested; expected at least 2")
    classes = metric_classes(metrics, with_attributes=classifier is not None, with_depth=generator.is_3d_aware)
    tally = Tally(generator.spec.names, classes)
    views = any(cls.needs_depth for cls in classes)
    owned = (
        _owned(generator, classifier, range(seed, seed + min(pairs, OWNERSHIP_SEEDS))) if classifier is not None else {}
    )
    own = shared(pairs, batch, share)
    for start in own[::batch]:
        seeds = range(seed + start, seed + min(start + batch, own.stop))
        for name, shown, absent in _batches(generator, seeds, classifier, owned, views):
            tally.show(name, shown, absent)
        tally.pairs += len(seeds)
        progress(len(seeds))
    return joined(tally).results()


def _owned(generator: LinkedGenerator, classifier: AttributeClassifier, seeds: range) -> dict[str, np.ndarray]:
    """Return link name -> bool [A], the attributes whose pixels lie in the region, averaged over some images."""
    labels = generator.labels(seeds)
    scene = generator.scene(generator.rendering(generator.draw(seeds, labels), labels), labels)
    regions = generator.spec.region_masks(scene)
    return {name: classifier.owned(scene, regions[row]) for row, name in enumerate(generator.spec.names)}


def _batches(
    generator: LinkedGenerator,
    seeds: range,
    classifier: AttributeClassifier | None,
    owned: dict[str, np.ndarray],
    views: bool,
) -> Iterable[tuple[str, PairBatch | None, int]]:
    """Yield (link, its pairs or None, number of pairs without the region). Originals and donors are rendered once."""
    labels = generator.labels(seeds)  # both images of a pair have the same class and camera
    latents = generator.draw(seeds, labels)
    donors = generator.draw([seed + DONOR_OFFSET for seed in seeds], labels)
    rendering = generator.rendering(latents, labels)
    original, donor = rendering.image, generator.render(donors, labels)
    regions = generator.spec.region_masks(generator.scene(rendering, labels))
    unedited = _read(classifier, original=original, donor=donor) if classifier is not None else {}
    for row, name in enumerate(generator.spec.names):
        block = generator.block(name)
        edited = generator.replace(latents, donors, block)
        linked = generator.rendering(edited, labels)
        others = generator.render(generator.replace(latents, donors, ~block), labels)
        mask = regions[row].expand(len(original), -1, -1, -1)
        present = mask.sum(dim=[1, 2, 3]) >= MIN_PIXELS
        reading = None
        if classifier is not None:
            reading = AttributeReadings(
                **unedited, **_read(classifier, linked=linked.image, others=others), owned=owned[name]
            )
        depths = _depth_views(generator, seeds, labels, rendering, linked, edited, mask) if views else None
        batch = PairBatch(original, donor, linked.image, others, mask, reading, depths)
        absent = int((~present).sum())
        yield name, select(batch, present) if absent < len(original) else None, absent


def _read(classifier: AttributeClassifier, **images: Tensor) -> dict[str, Array]:
    """Return the attributes of named batches of images [N, C, H, W], float64 [N, A] each, read in one call."""
    readings = as_figures(classifier.attributes(torch.cat(list(images.values()))))
    return dict(zip(images, np.split(readings, len(images)), strict=True))


def _depth_views(
    generator: LinkedGenerator,
    seeds: range,
    labels: Tensor,
    rendering: Rendering,
    linked: Rendering,
    edited: Tensor,
    mask: Tensor,
) -> DepthViews:
    """Return the depths of pairs, and their edits rendered from the donors' cameras."""
    assert rendering.depth is not None  # 3D-aware generators render depth
    assert linked.depth is not None
    other_labels = generator.labels([seed + DONOR_OFFSET for seed in seeds])
    other = generator.view(edited, labels, other_labels)
    assert other.depth is not None
    small = F.interpolate(mask, size=rendering.depth.shape[2:], mode="area")
    return DepthViews(rendering.depth, linked.depth, small, labels, other_labels, other.image, other.depth)
