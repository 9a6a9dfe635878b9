"""The distance on normalised features, against its formula, in a network with random weights."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.metrics.efficientnet import EfficientNetLite0
from linkgan_plugin.metrics.feature_distance import FeatureDistance


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return EfficientNetLite0().eval().requires_grad_(False)


@pytest.fixture
def images():
    return torch.rand([3, 3, 16, 16], generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_stages_are_those_that_the_classifier_goes_through(network, images):
    stages = network.stages(images)
    assert [list(stage.shape[1:]) for stage in stages] == [
        [16, 48, 48],
        [24, 24, 24],
        [40, 12, 12],
        [80, 6, 6],
        [112, 6, 6],
        [192, 3, 3],
        [320, 3, 3],
    ]
    pooled = torch.nn.functional.relu6(network.head(stages[-1])).mean(dim=[2, 3])
    assert torch.allclose(pooled, network.features(images), atol=1e-6)


def test_distance_is_that_of_unit_vectors_averaged_over_positions_and_stages(network, images):
    others = images.flip(3)
    found = FeatureDistance(network)(images, others)
    for row in range(3):
        total = 0.0
        for one, other in zip(network.stages(images), network.stages(others), strict=True):
            a, b = one[row].double().flatten(1), other[row].double().flatten(1)
            total += float((2 - 2 * (a * b).sum(0) / (a.norm(dim=0) * b.norm(dim=0))).mean()) / 7
        assert float(found[row]) == pytest.approx(total, rel=1e-3)


def test_equal_images_are_at_distance_0_and_the_distance_is_symmetric(network, images):
    distance = FeatureDistance(network)
    assert distance(images, images).tolist() == [0, 0, 0]
    assert torch.allclose(distance(images, images.flip(0)), distance(images.flip(0), images))
