"""Measures the columns of a demo's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tqdm import tqdm

from training_loops.formats.folder import ImageFolderDataset

from ..generators import LinkedGenerator
from ..metrics.edited_quality import Asked, QualityOf
from ..metrics.evaluate import AttributeClassifier, evaluate
from ..metrics.quality import FeatureNetwork
from ..metrics.record import record
from ..metrics.yardsticks import yardstick
from .kind import Size


class FullClassifier(AttributeClassifier, FeatureNetwork, Protocol):
    """Predicts attributes, and has features for the quality proxy."""


def measure_columns(
    generators: Mapping[str, LinkedGenerator], classifier: FullClassifier, dataset: ImageFolderDataset, size: Size
) -> dict[str, Any]:
    """Return ``quality_kind``, and column -> the metrics and quality of its generator, as returned by `record`."""
    quality = quality_of(dataset, classifier, size)
    results: dict[str, Any] = {"quality_kind": quality.yardstick.text}
    with tqdm(total=len(generators) * size.pairs, unit="pair", desc="measuring") as bar:
        for name, generator in generators.items():
            links = evaluate(generator, pairs=size.pairs, classifier=classifier, progress=bar.update)
            results[name] = record(links, quality.measure(generator)["quality"].value)
    return results


def quality_of(dataset: ImageFolderDataset, classifier: FeatureNetwork, size: Size) -> QualityOf:
    """Return what measures the quality of a demo's networks."""
    return QualityOf(dataset, yardstick("attributes", classifier), Asked(size.quality_images))
