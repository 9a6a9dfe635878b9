"""Measures the columns of a demo's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tqdm import tqdm

from training_loops.formats.folder import ImageFolderDataset

from ..generators import LinkedGenerator
from ..metrics.evaluate import AttributeClassifier, evaluate
from ..metrics.quality import FeatureNetwork, classifier_quality
from ..metrics.record import record
from .kind import Size


class FullClassifier(AttributeClassifier, FeatureNetwork, Protocol):
    """Predicts attributes, and has features for the quality proxy."""


def measure_columns(
    generators: Mapping[str, LinkedGenerator], classifier: FullClassifier, dataset: ImageFolderDataset, size: Size
) -> dict[str, Any]:
    """Return column -> the region metrics and quality of its generator, as returned by `record`."""
    results = {}
    with tqdm(total=len(generators) * size.pairs, unit="pair", desc="measuring") as bar:
        for name, generator in generators.items():
            links = evaluate(generator, pairs=size.pairs, classifier=classifier, progress=bar.update)
            quality = classifier_quality(generator, dataset, classifier, images=size.quality_images)
            results[name] = record(links, quality)
    return results
