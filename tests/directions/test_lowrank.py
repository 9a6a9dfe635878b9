"""LowRankGAN: robust PCA finds planted parts, and directions lie in the null space of the rest of the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.directions.lowrank import projected, robust_pca
from linkgan_plugin.errors import LinkGANError

from .planted import DIM, SIZE, opened, strips, turned
from .test_resefa import LEFT, outside_span


@pytest.mark.parametrize(("dim", "rank"), [(32, 3), (64, 4), (96, 8)])
def test_a_planted_low_rank_and_sparse_matrix_is_split(dim, rank):
    random = np.random.default_rng(dim)
    factor = random.normal(size=[dim, rank])
    low = factor @ factor.T / dim
    sparse = np.where(np.triu(random.random([dim, dim]) < 0.02), random.normal(size=[dim, dim]), 0)
    sparse = sparse + sparse.T
    found, other = robust_pca(low + sparse)
    np.testing.assert_allclose(found, low, atol=1e-6 * np.linalg.norm(low))
    np.testing.assert_allclose(other, sparse, atol=1e-6 * np.linalg.norm(sparse))
    assert np.linalg.matrix_rank(found, tol=1e-8 * np.linalg.norm(low)) == rank


def test_the_split_does_not_depend_on_the_scale():
    matrix = np.diag(np.arange(1.0, 9)) + np.ones([8, 8])
    np.testing.assert_allclose(robust_pca(1e-6 * matrix)[0], 1e-6 * robust_pca(matrix)[0], atol=1e-13)


@pytest.mark.parametrize("space", ["w", "z"])
def test_directions_change_the_region_and_lie_in_the_null_space_of_the_rest(space):
    mix = turned()
    found = find_directions(opened(strips(mix), space), "lowrank", region=LEFT, count=4, probes=512, null=9)
    # Axes 7 to 11 change nothing. Where the covariance is estimated, in W, directions may have parts along them.
    assert outside_span(found.vectors[:, 0], mix.T[:4] if space == "z" else mix.T[[0, 1, 2, 3, 7, 8, 9, 10, 11]]) < 5
    assert (found.effect / (found.effect + found.leak)).min() > 0.99


def test_the_null_space_bounds_how_many_directions_there_are():
    # The right half uses 3 of 12 axes, so 9 directions at most leave it as it is: the count is honoured up to there.
    generator = opened(strips(turned()))
    few, many = (
        find_directions(generator, "lowrank", region=LEFT, count=count, probes=256, null=9) for count in (6, 12)
    )
    assert (len(few), len(many)) == (6, 9)
    assert outside_span(many.vectors[:, 0], torch.cat([turned().T[:4], turned().T[7:]])) < 5
    assert torch.linalg.matrix_rank(many.vectors[:, 0].double(), rtol=1e-4) == 9


def test_by_default_the_null_space_is_what_a_low_rank_rest_leaves():
    mix = turned(40)
    generator = strips(mix, (range(4), range(4, 7)))
    found = find_directions(opened(generator), "lowrank", region=LEFT, count=40, probes=512)
    # The right half uses 3 of 40 axes.
    assert len(found) == 37
    assert outside_span(found.vectors[:4, 0], torch.cat([mix.T[:4], mix.T[7:]])) < 5


def test_projected_vectors_keep_their_order_and_leave_out_repetitions():
    null = np.eye(4)[:, :2]
    vectors = np.array([[1.0, 2, 0, 1], [0, 0, 0, 1], [5, 0, 1, 0], [0, 1, 1, 0]])
    np.testing.assert_allclose(projected(vectors, null, 3), [[1, 1], [0, 1], [0, 0], [0, 0]])
    assert projected(vectors, null, 1).shape == (4, 1)


def test_only_the_chosen_layers_move():
    found = find_directions(opened(strips(turned())), "lowrank", region=LEFT, count=2, probes=256, null=9, layers="0")
    assert found.vectors.shape == (2, 2, DIM)
    assert found.vectors[:, 0].any()
    assert not found.vectors[:, 1].any()


def test_impossible_settings_are_refused():
    generator = opened(strips(turned()))
    with pytest.raises(LinkGANError, match="null 13, sparsity 1; expected 0 to 12, and above 0"):
        find_directions(generator, "lowrank", region=LEFT, null=13)
    with pytest.raises(LinkGANError, match="null 0, sparsity -1; expected"):
        find_directions(generator, "lowrank", region=LEFT, sparsity=-1.0)


def test_a_rest_that_needs_every_axis_is_refused_with_a_way_out():
    generator = strips(torch.eye(DIM))
    generator.synthesis.weight.data = torch.randn([SIZE * SIZE, DIM], generator=torch.Generator().manual_seed(1))
    with pytest.raises(LinkGANError, match=r"needs all 12 dimensions, .* such as null=3, or lower sparsity"):
        find_directions(opened(generator), "lowrank", region=LEFT, probes=256, sparsity=100.0)
