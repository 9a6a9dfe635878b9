"""Diversity kept against loops over pixels, and against the formula of a linear generator."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.metrics.base import PairBatch
from linkgan_plugin.metrics.diversity import DiversityKept
from linkgan_plugin.perturb import gaussian, swap
from tests.metrics.planted import ALL, BLOCK, Planted, change_by_loops, measured, random_pairs, ratio_by_formula

PAIRS = 4000


def test_it_is_the_change_inside_by_the_block_over_that_by_all_axes() -> None:
    batch = random_pairs(7)
    top = sum(change[0] for change in change_by_loops(batch, batch.linked))
    bottom = sum(change[0] for change in change_by_loops(batch, batch.donor))
    assert measured(DiversityKept, batch).value == pytest.approx(top / bottom, rel=1e-6)


@pytest.mark.parametrize(("perturb", "strength"), [(swap, 1.0), (gaussian, 0.3)])
def test_that_of_a_linear_generator_is_the_share_of_the_blocks_patterns(perturb, strength: float) -> None:
    planted = Planted()
    value, error = ratio_by_formula(planted.inside(BLOCK), planted.inside(ALL), PAIRS)
    found = measured(DiversityKept, planted.pairs(PAIRS, 5, perturb, strength))
    assert 0 < value < 1
    assert abs(found.value - value) < 4 * error
    assert found.stderr == pytest.approx(error, rel=0.1)


def test_what_happens_outside_the_region_does_not_count() -> None:
    batch = random_pairs(7)
    hard = (batch.mask > 0.5).float()
    outside = PairBatch(batch.original, batch.donor, batch.linked, batch.others, hard)
    noise = torch.randn(batch.linked.shape, generator=torch.Generator().manual_seed(0)) * (1 - hard)
    noisy = PairBatch(batch.original, batch.donor - noise, batch.linked + noise, batch.others, hard)
    assert measured(DiversityKept, noisy) == measured(DiversityKept, outside)


def test_a_block_that_moves_against_the_rest_scores_above_1() -> None:
    original = torch.zeros(2, 1, 2, 2)
    batch = PairBatch(original, original + 1, original + 2, original - 1, torch.ones(2, 1, 2, 2))
    assert measured(DiversityKept, batch).value == pytest.approx(4)
