"""SeFa: the eigenvectors of the stacked affine weights, as NumPy finds them in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.directions.sefa import first_weight
from linkgan_plugin.errors import LinkGANError

from .planted import DIM, StyledGenerator, angle, opened, strips, turned


def reference(weights: list[torch.Tensor]) -> np.ndarray:
    """The right singular vectors of the normalised rows, largest first, float64 [D, D]."""
    rows = torch.cat(weights).double().numpy()
    return np.linalg.svd(rows / np.linalg.norm(rows, axis=1, keepdims=True))[2]


def test_directions_are_the_leading_singular_vectors_of_the_affine_weights():
    generator = StyledGenerator()
    wanted = reference([layer.affine.weight.detach() for layer in generator.synthesis.layers])
    found = find_directions(opened(generator), "sefa", count=5)
    for number in range(5):
        assert angle(found.vectors[number], torch.from_numpy(wanted[number])) < 0.01


def test_only_the_chosen_layers_count():
    generator = StyledGenerator()
    wanted = reference([generator.synthesis.layers[1].affine.weight.detach()])
    found = find_directions(opened(generator), "sefa", count=3, layers="1")
    assert angle(found.vectors[0], torch.from_numpy(wanted[0])) < 0.01
    with pytest.raises(LinkGANError, match=r"affine maps '7': this network has 3, 0 to 2"):
        find_directions(opened(generator), "sefa", layers="7")


def test_the_first_weight_of_a_network_without_w_is_that_which_takes_z():
    linear, transposed = nn.Linear(6, 4), nn.ConvTranspose2d(6, 3, 4)
    assert torch.equal(first_weight(nn.Sequential(linear, nn.ReLU()), 6), linear.weight)
    assert torch.equal(first_weight(nn.Sequential(transposed), 6), transposed.weight.flatten(1).T)
    labelled = nn.Linear(8, 4)  # of z and a label of 2 numbers
    assert torch.equal(first_weight(labelled, 6), labelled.weight[:, :6])
    with pytest.raises(LinkGANError, match="takes z of 7 numbers"):
        first_weight(nn.Sequential(linear), 7)


def test_in_z_the_mapping_counts_even_if_the_synthesis_is_registered_first():
    generator = StyledGenerator()
    mapping = generator.mapping
    del generator.mapping
    generator.mapping = mapping  # as in StyleGAN, whose affines also take D channels
    generator.mapping.weight.data = torch.randn([DIM, DIM], generator=torch.Generator().manual_seed(5))
    found = find_directions(opened(generator, "z"), "sefa", count=3)
    wanted = reference([generator.mapping.weight.detach()])
    for number in range(3):
        assert angle(found.vectors[number], torch.from_numpy(wanted[number])) < 0.01


def test_a_network_without_styles_is_refused():
    with pytest.raises(LinkGANError, match="has no style space"):
        find_directions(opened(strips(turned(DIM))), "sefa")
