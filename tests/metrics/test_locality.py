"""Locality against loops over pixels, and against the formula of a linear generator."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.metrics.base import PairBatch
from linkgan_plugin.metrics.locality import Locality
from linkgan_plugin.perturb import gaussian, swap
from tests.metrics.planted import BLOCK, Planted, change_by_loops, measured, random_pairs, ratio_by_formula

PAIRS = 4000


def test_it_is_the_share_of_all_squared_change_that_is_inside() -> None:
    batch = random_pairs(7)
    changes = change_by_loops(batch, batch.linked)
    inside, outside = (sum(change[side] for change in changes) for side in (0, 1))
    assert measured(Locality, batch).value == pytest.approx(inside / (inside + outside), rel=1e-6)


@pytest.mark.parametrize(("perturb", "strength"), [(swap, 1.0), (swap, 0.5), (gaussian, 0.3), (gaussian, 3.0)])
def test_that_of_a_linear_generator_is_that_of_its_patterns_for_every_perturbation(perturb, strength: float) -> None:
    planted = Planted()
    inside = planted.inside(BLOCK)
    value, error = ratio_by_formula(inside, inside + planted.outside(BLOCK), PAIRS)
    found = measured(Locality, planted.pairs(PAIRS, 4, perturb, strength))
    assert abs(found.value - value) < 4 * error
    assert found.stderr == pytest.approx(error, rel=0.1)


def test_a_change_of_all_pixels_alike_scores_the_share_of_the_region() -> None:
    original = torch.zeros(4, 3, 8, 8)
    mask = torch.zeros(4, 1, 8, 8)
    mask[..., :2, :6] = 1
    found = measured(Locality, PairBatch(original, original, original + 0.3, original, mask))
    assert found.value == pytest.approx(12 / 64, rel=1e-6)
    assert found.stderr == pytest.approx(0, abs=1e-12)


def test_pairs_count_by_how_much_they_change() -> None:
    # One pair changes 3 in the region and 0 beside it, the other 0 and 1: squares 9 of 10, not the mean of 1 and 0.
    original = torch.zeros(2, 1, 1, 2)
    linked = torch.tensor([[3.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 2)
    mask = torch.tensor([1.0, 0.0]).expand(2, 1, 1, 2)
    assert measured(Locality, PairBatch(original, original, linked, original, mask)).value == pytest.approx(0.9)
