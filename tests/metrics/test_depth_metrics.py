"""Depth metrics against loops over pixels, and views of surfaces whose error is planted."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from linkgan_plugin.metrics.base import DepthViews, Metric, PairBatch, select
from linkgan_plugin.metrics.geometry import DepthEffect, DepthLeak, DepthLocality, ViewDepthError, ViewError
from tests.metrics.planted import averaged, measured
from training_loops.formats.cameras import intrinsics, join_labels, look_at, positions_on_sphere

COUNT, SIZE, SIDE = 4, 8, 6
RADIUS, DEPTH = 2.7, 2.5
PIXEL = DEPTH / (SIDE * 4.2647)  # 1 / 4.2647 is how wide the view of this lens is at distance 1
METRICS: list[type[Metric]] = [DepthEffect, DepthLeak, DepthLocality, ViewDepthError, ViewError]
DEPTHS = METRICS[:3]
VIEWS = METRICS[3:]


def cameras(count: int) -> Tensor:
    front = torch.full((count,), math.pi / 2)
    return join_labels(look_at(positions_on_sphere(front, front, RADIUS), torch.zeros(3)), intrinsics(18.83))


def noisy_pairs(seed: int = 0) -> PairBatch:
    """Return pairs of random depths and soft masks; the other camera is the same, and sees the same."""
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(4, COUNT, 3, SIZE, SIZE, generator=random) * 2 - 1
    original, linked = DEPTH + 0.1 * torch.rand(2, COUNT, 1, SIDE, SIDE, generator=random)
    mask = torch.rand(COUNT, 1, SIDE, SIDE, generator=random)
    labels = cameras(COUNT)
    views = DepthViews(original, linked, mask, labels, labels, images[2], linked)
    return PairBatch(*images, mask=torch.ones(COUNT, 1, SIZE, SIZE), depth_views=views)


def planted(depth: float = 0.0, colour: float = 0.0) -> PairBatch:
    """Return a wall that the edit paints 0.5 brighter; the other view shows it `depth` behind, `colour` brighter still.

    Both cameras are the same, so each pixel is found again in its own place.
    """
    original = torch.rand(COUNT, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) - 0.5
    linked = original + 0.5
    wall = torch.full((COUNT, 1, SIDE, SIDE), DEPTH)
    mask = torch.zeros(COUNT, 1, SIDE, SIDE)
    mask[..., :3] = 1
    views = DepthViews(wall, wall, mask, cameras(COUNT), cameras(COUNT), linked + colour, wall + depth)
    return PairBatch(original, original, linked, original, mask, depth_views=views)


def change_by_loops(views: DepthViews, i: int) -> tuple[float, float]:
    inside = outside = 0.0
    for y in range(SIDE):
        for x in range(SIDE):
            square = (float(views.linked[i, 0, y, x]) - float(views.original[i, 0, y, x])) ** 2
            inside += float(views.mask[i, 0, y, x]) * square
            outside += (1 - float(views.mask[i, 0, y, x])) * square
    return inside, outside


def test_changes_of_depth_are_mean_squares_inside_and_outside() -> None:
    batch = noisy_pairs()
    assert batch.depth_views is not None
    changes = [change_by_loops(batch.depth_views, i) for i in range(COUNT)]
    areas = [float(mask.double().sum()) for mask in batch.depth_views.mask]
    inside = averaged(change[0] / area for change, area in zip(changes, areas, strict=True))
    outside = averaged(change[1] / (SIDE * SIDE - area) for change, area in zip(changes, areas, strict=True))
    share = sum(change[0] for change in changes) / sum(sum(change) for change in changes)
    assert measured(DepthEffect, batch).value == pytest.approx(inside, rel=1e-9)
    assert measured(DepthLeak, batch).value == pytest.approx(outside, rel=1e-9)
    assert measured(DepthLocality, batch).value == pytest.approx(share, rel=1e-9)


@pytest.mark.parametrize("depth", [0.01, -0.01, 0.3])
def test_a_surface_that_is_elsewhere_from_the_side_is_off_by_that(depth: float) -> None:
    found = measured(ViewDepthError, planted(depth))
    assert found.value == pytest.approx(abs(depth), rel=1e-4)
    assert found.stderr == pytest.approx(0, abs=1e-6)


def test_a_jump_of_depth_counts_as_ten_pixels_at_most() -> None:
    batch = planted(depth=100.0)
    assert measured(ViewDepthError, batch).value == pytest.approx(10 * PIXEL, rel=1e-3)


def test_what_something_hides_from_the_side_is_not_compared() -> None:
    assert measured(ViewDepthError, planted(-2.9 * PIXEL)).value == pytest.approx(2.9 * PIXEL, rel=1e-4)
    for metric in VIEWS:
        found = measured(metric, planted(-3.1 * PIXEL))
        assert (found.value, found.n) == (None, COUNT)


@pytest.mark.parametrize("colour", [0.0, 0.1, -0.5])
def test_colours_that_differ_from_the_side_are_measured_by_the_edit(colour: float) -> None:
    # The edit changes every channel by 0.5, the view by `colour`: colour^2 / 0.5^2
    assert measured(ViewError, planted(colour=colour)).value == pytest.approx(colour**2 / 0.25, rel=1e-4, abs=1e-9)


def test_an_edit_that_changes_nothing_has_no_view_error() -> None:
    batch = planted(colour=0.1)
    assert measured(ViewError, replace(batch, original=batch.linked)).value is None


@pytest.mark.parametrize("metric", METRICS)
def test_depth_metrics_do_not_depend_on_batches(metric: type[Metric]) -> None:
    batch = noisy_pairs()
    parts = [select(batch, torch.arange(COUNT) == i) for i in range(COUNT)]
    found, whole = measured(metric, *parts), measured(metric, batch)
    assert (found.value, found.stderr) == pytest.approx((whole.value, whole.stderr), rel=1e-6)
    assert measured(metric, parts[0]).stderr is None


@pytest.mark.parametrize("metric", DEPTHS)
def test_depth_goes_with_the_square_of_the_world_and_its_share_with_nothing(metric: type[Metric]) -> None:
    batch = noisy_pairs()
    views = batch.depth_views
    assert views is not None
    larger = replace(batch, depth_views=replace(views, original=2 * views.original, linked=2 * views.linked))
    factor = 1 if metric is DepthLocality else 4
    assert measured(metric, larger).value == pytest.approx(factor * measured(metric, batch).value, rel=1e-12)


@pytest.mark.parametrize("metric", VIEWS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_ray_that_hits_nothing_beside_the_region_does_not_spoil_the_view_of_it(
    metric: type[Metric], value: float
) -> None:
    batch = planted(depth=0.01, colour=0.1)
    views = batch.depth_views
    assert views is not None
    linked = views.linked.clone()
    linked[..., 5] = value
    assert measured(metric, replace(batch, depth_views=replace(views, linked=linked))) == measured(metric, batch)


@pytest.mark.parametrize("metric", DEPTHS)
def test_depth_that_is_not_a_number_leaves_no_change_of_depth(metric: type[Metric]) -> None:
    batch = noisy_pairs()
    assert batch.depth_views is not None
    batch.depth_views.linked[1, 0, 2, 2] = math.nan
    found = measured(metric, batch)
    assert (found.value, found.stderr, found.n) == (None, None, COUNT)
