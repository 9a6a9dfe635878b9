"""Boxes that stand for classes: the class's area, side by side, and none that cover more."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from linkgan_plugin.demos.boxes import best_boxes
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec


def covered(mean: np.ndarray, box: tuple[float, ...], fine: int = 32) -> float:
    """Sum what a box covers, by counting small squares whose middles are in it."""
    side = len(mean) * fine
    middles = (np.arange(side) + 0.5) / side
    x0, y0, x1, y1 = box
    inside = np.outer((middles > y0) & (middles < y1), (middles > x0) & (middles < x1))
    return float((inside * mean.repeat(fine, 0).repeat(fine, 1)).sum() / fine**2)


def test_a_class_that_is_a_box_gets_that_box() -> None:
    means = np.zeros([2, 8, 8])
    means[0, 1:3, 2:7] = 1
    means[1, 4:8, 0:3] = 1
    assert best_boxes(means) == [(0.25, 0.125, 0.875, 0.375), (0.0, 0.5, 0.375, 1.0)]


def test_boxes_have_the_areas_of_their_classes_and_lie_side_by_side() -> None:
    means = np.random.default_rng(0).random([3, 8, 8]) ** 4
    boxes = best_boxes(means)
    for mean, (x0, y0, x1, y1) in zip(means, boxes, strict=True):
        assert (x1 - x0) * (y1 - y0) == pytest.approx(mean.mean(), abs=1e-5)
    texts = [f"c{i}=4@box({','.join(map(str, box))})" for i, box in enumerate(boxes)]
    assert LinkSpec.parse(texts, dim=16).names == ("c0", "c1", "c2")  # refuses regions that overlap


def test_no_other_pair_of_boxes_covers_more() -> None:
    side, means = 4, np.random.default_rng(3).random([2, 4, 4]) ** 2
    tried = []
    for mean in means:
        area = mean.sum() / side**2
        corners = product(range(side), range(1, side + 1), range(side))
        boxes = [
            (x0 / side, y0 / side, x1 / side, y0 / side + area * side / (x1 - x0)) for x0, x1, y0 in corners if x1 > x0
        ]
        tried.append([(covered(mean, box), box) for box in boxes if box[3] <= 1])
    apart = [
        (a + b, p, q)
        for (a, p), (b, q) in product(*tried)
        if p[2] <= q[0] or q[2] <= p[0] or p[3] <= q[1] or q[3] <= p[1]
    ]
    best = max(total for total, _, _ in apart)
    found = sum(covered(mean, box) for mean, box in zip(means, best_boxes(means), strict=True))
    assert found == pytest.approx(best, abs=0.05)


def test_classes_without_room_or_without_pixels_are_refused() -> None:
    with pytest.raises(LinkGANError, match="60%, 60% of the image"):
        best_boxes(np.full([2, 8, 8], 0.6))
    with pytest.raises(LinkGANError, match="in no image"):
        best_boxes(np.stack([np.ones([8, 8]) / 4, np.zeros([8, 8])]))
