"""Effects and leaks against loops over pixels, and against the formulas of a linear generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from linkgan_plugin.metrics.base import MeanMetric, PairBatch
from linkgan_plugin.metrics.effect import EffectIn, EffectOut
from linkgan_plugin.metrics.leak import LeakIn, LeakOut, LeakRatio
from linkgan_plugin.perturb import gaussian, swap
from linkgan_plugin.regularizer import squared_change
from tests.metrics.planted import (
    BLOCK,
    REST,
    Planted,
    areas_by_loops,
    averaged,
    change_by_loops,
    mean_by_formula,
    measured,
    random_pairs,
    ratio_by_formula,
)

PAIRS = 4000
FORMS: list[tuple[type[MeanMetric], Callable[[Planted], np.ndarray]]] = [
    (EffectIn, lambda planted: planted.inside(BLOCK, mean=True)),
    (LeakOut, lambda planted: planted.outside(BLOCK, mean=True)),
    (LeakIn, lambda planted: planted.inside(REST, mean=True)),
    (EffectOut, lambda planted: planted.outside(REST, mean=True)),
]


@pytest.mark.parametrize(("metric", "edited", "side"), [
    (EffectIn, "linked", 0), (LeakOut, "linked", 1), (LeakIn, "others", 0), (EffectOut, "others", 1),
])  # fmt: skip
def test_it_is_the_mean_square_per_pixel_of_its_edit_on_its_side(
    metric: type[MeanMetric], edited: str, side: int
) -> None:
    batch = random_pairs(7)
    squared_change, areas = change_by_loops(batch, getattr(batch, edited)), areas_by_loops(batch)
    expected = averaged(change[side] / area[side] for change, area in zip(squared_change, areas, strict=True))
    assert measured(metric, batch).value == pytest.approx(expected, rel=1e-6)


def test_the_leak_ratio_is_leak_out_over_effect_in() -> None:
    batch = random_pairs(7)
    squared_change, areas = change_by_loops(batch, batch.linked), areas_by_loops(batch)
    inside, outside = (
        averaged(c[side] / a[side] for c, a in zip(squared_change, areas, strict=True)) for side in (0, 1)
    )
    found = measured(LeakRatio, batch).value
    assert found == pytest.approx(outside / inside, rel=1e-6)
    assert found == pytest.approx(measured(LeakOut, batch).value / measured(EffectIn, batch).value, rel=1e-12)


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("metric", "form"), FORMS)
def test_gaussian_noise_on_the_axes_of_a_linear_generator_has_the_effect_of_the_formula(
    metric: type[MeanMetric], form: Callable[[Planted], np.ndarray], strength: float
) -> None:
    planted = Planted()
    found = measured(metric, planted.pairs(PAIRS, 1, gaussian, strength))
    value, error = mean_by_formula(form(planted), strength**2, PAIRS)
    assert abs(found.value - value) < 4 * error
    assert found.stderr == pytest.approx(error, rel=0.1)


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize(("metric", "form"), FORMS)
def test_swapped_axes_of_a_linear_generator_have_the_effect_of_the_formula(
    metric: type[MeanMetric], form: Callable[[Planted], np.ndarray], strength: float
) -> None:
    planted = Planted()
    found = measured(metric, planted.pairs(PAIRS, 2, swap, strength))
    value, error = mean_by_formula(form(planted), 2 * strength**2, PAIRS)  # strength of the way from w to a donor
    assert abs(found.value - value) < 4 * error
    assert found.stderr == pytest.approx(error, rel=0.1)


def test_the_leak_ratio_of_a_linear_generator_is_that_of_its_patterns() -> None:
    planted = Planted()
    value, error = ratio_by_formula(planted.outside(BLOCK, mean=True), planted.inside(BLOCK, mean=True), PAIRS)
    for perturb, strength in ((swap, 1.0), (gaussian, 0.3), (gaussian, 3.0)):
        found = measured(LeakRatio, planted.pairs(PAIRS, 3, perturb, strength))
        assert abs(found.value - value) < 4 * error
        assert found.stderr == pytest.approx(error, rel=0.1)


def test_what_is_measured_is_what_the_regularizer_reduces() -> None:
    batch = random_pairs(7)
    trained = squared_change(batch.original.double(), batch.linked.double(), batch.mask.double())
    measured_change = batch.linked_change
    channels = batch.original.shape[1]
    assert measured_change.inside == pytest.approx(trained.effect.numpy() / channels, rel=1e-6)
    assert measured_change.outside == pytest.approx(trained.leak.numpy() / channels, rel=1e-6)


def test_a_leak_a_trillion_times_below_the_effect_keeps_its_digits() -> None:
    original = torch.zeros(3, 1, 64, 64)
    mask = torch.zeros(3, 1, 64, 64)
    mask[..., 16:40, 16:40] = 1
    effect = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0)) + 0.5
    batch = PairBatch(original, original, effect * mask + 1e-7 * (1 - mask), original, mask)
    assert measured(LeakOut, batch).value == pytest.approx(1e-14, rel=1e-6, abs=0)


def test_the_mean_over_channels_is_taken_not_their_sum() -> None:
    gray = random_pairs(5)
    once = PairBatch(gray.original[:, :1], gray.donor[:, :1], gray.linked[:, :1], gray.others[:, :1], gray.mask)
    thrice = PairBatch(*(image.expand(-1, 3, -1, -1) for image in (once.original, once.donor)),
                       *(image.expand(-1, 3, -1, -1) for image in (once.linked, once.others)), once.mask)  # fmt: skip
    for metric in (EffectIn, LeakOut, LeakIn, EffectOut):
        assert measured(metric, thrice).value == pytest.approx(measured(metric, once).value, rel=1e-6)


def test_half_precision_images_are_compared_in_full() -> None:
    # In half precision the square of a change of 1e-4 is 0.
    original = torch.zeros(2, 3, 4, 4, dtype=torch.float16)
    batch = PairBatch(original, original, original + 1e-4, original, torch.full((2, 1, 4, 4), 0.5))
    assert measured(EffectIn, batch).value == pytest.approx(1e-8, rel=1e-2)
