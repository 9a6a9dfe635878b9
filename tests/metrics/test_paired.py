"""Paired differences: parts by brute force, and standard errors against repeated draws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from linkgan_plugin.metrics.frechet import frechet_distance
from linkgan_plugin.metrics.kernel import kernel_distance
from linkgan_plugin.metrics.paired import (
    Replicates,
    difference,
    frechet_replicates,
    kernel_replicates,
    patch_replicates,
)
from linkgan_plugin.metrics.swd import sliced_wasserstein

Draw = tuple[Tensor, Tensor, Tensor]


def draw(seed: int, count: int = 200) -> Draw:
    """Return features of data, of unedited and of edited images; an edit adds a little to its own image."""
    random = torch.Generator().manual_seed(seed)
    real, plain, edit = torch.randn(3, count, 3, generator=random, dtype=torch.float64)
    return real, 1.3 * plain + 0.2, 1.3 * plain + 0.4 + 0.2 * edit


def kernel(real: Tensor, fake: Tensor) -> Replicates:
    return kernel_replicates(real, fake, kernel_distance(real, fake).value or 0.0)


def frechet(real: Tensor, fake: Tensor) -> Replicates:
    return frechet_replicates(real, fake, frechet_distance(real, fake))


@pytest.mark.parametrize("measure", [kernel, frechet])
def test_the_standard_error_is_that_of_repeated_draws(measure: Callable[[Tensor, Tensor], Replicates]) -> None:
    found, apart = [], []
    for seed in range(300):
        real, plain, edited = draw(seed)
        found.append(difference(measure(real, edited), measure(real, plain)))
        apart.append(measure(real, draw(seed + 1000)[1]).value)
    error = np.std([estimate.value for estimate in found], ddof=1)
    assert np.sqrt(np.mean([estimate.stderr**2 for estimate in found])) == pytest.approx(error, rel=0.15)
    unpaired = np.sqrt(2) * np.std(apart, ddof=1)
    assert error < 0.8 * unpaired, "else pairing would gain nothing"


def test_parts_of_the_frechet_distance_lack_one_block_each() -> None:
    real, plain, _ = draw(0, 43)
    found = frechet_replicates(real, plain[:41], 7.0, blocks=4)
    rows = [np.array_split(np.arange(count), 4) for count in (43, 41)]
    expected = [
        frechet_distance(np.delete(real.numpy(), a, 0), np.delete(plain[:41].numpy(), b, 0))
        for a, b in zip(*rows, strict=True)
    ]
    assert found.parts == pytest.approx(expected, rel=1e-9)
    assert (found.value, found.leaves_out) == (7.0, True)


def test_parts_of_the_patch_distance_are_blocks_of_images() -> None:
    real, fake = torch.rand(2, 13, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = patch_replicates(real, fake, 1.0, blocks=3)
    expected = [np.mean(sliced_wasserstein(real[rows], fake[rows])) for rows in (slice(5), slice(5, 9), slice(9, 13))]
    assert found.parts == pytest.approx(expected)


def test_the_errors_are_those_of_the_formulas() -> None:
    first, second = np.array([1.0, 2.0, 6.0]), np.array([0.0, 1.0, 2.0])  # differences 1, 1, 4: mean 2, squares 6
    blocks = difference(Replicates(5, first), Replicates(3, second))
    assert (blocks.value, blocks.n) == (2, 3)
    assert blocks.stderr == pytest.approx(1)  # sqrt(6 / (3 * 2))
    jackknife = difference(Replicates(5, first, leaves_out=True), Replicates(3, second, leaves_out=True))
    assert jackknife.stderr == pytest.approx(2)  # sqrt(2 / 3 * 6)


def test_equal_sets_differ_by_nothing_and_few_images_have_no_error() -> None:
    real, plain, _ = draw(0)
    for measure in (kernel, frechet):
        same = difference(measure(real, plain), measure(real, plain.clone()))
        assert (same.value, same.stderr, same.n) == (0, 0, 10)
    few = difference(frechet(real[:6], plain[:6]), frechet(real[:6], plain[:6] + 1))
    assert few.stderr is None
    assert few.value is not None
