"""InterFaceGAN: normals of planes between high and low scores, and conditional directions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import torch

from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.directions.interfacegan import normal, sides
from linkgan_plugin.directions.task import LabelledSamples
from linkgan_plugin.errors import LinkGANError

from .blobs import attributed
from .planted import angle, opened


def test_the_normal_is_the_gradient_of_an_attribute_that_is_linear_in_w():
    generator, reader, gradients = attributed()
    found = find_directions(opened(generator), "interfacegan", reader=reader)
    assert found.names == ("smile", "age")
    for vector, gradient in zip(found.vectors, gradients, strict=True):
        assert angle(vector, gradient) < 5
        assert float(vector[0] @ gradient) > 0


def test_a_conditional_direction_is_orthogonal_to_the_other_normal():
    generator, reader, gradients = attributed()
    plain = find_directions(opened(generator), "interfacegan", reader=reader)
    found = find_directions(opened(generator), "interfacegan", reader=reader, attributes=["smile"], without="age")
    assert angle(found.vectors[0], plain.vectors[1]) > 89.99
    smile, age = gradients / gradients.norm(dim=1, keepdim=True)
    assert angle(found.vectors[0], smile - (smile @ age) * age) < 5


def test_several_conditions_are_projected_off_together():
    generator = attributed()[0]
    random = torch.Generator().manual_seed(2)
    seeds = tuple(range(400))
    latents = opened(generator).draw(seeds)[:, 0]
    labels = LabelledSamples(("a", "b", "c"), seeds, latents @ torch.randn([12, 3], generator=random))
    plain = find_directions(opened(generator), "interfacegan", reader=labels)
    found = find_directions(opened(generator), "interfacegan", reader=labels, without="b,c")
    assert min(angle(found.vectors[0], plain.vectors[k]) for k in (1, 2)) > 89.99
    # A condition keeps the other ones, not itself.
    assert angle(found.vectors[1], plain.vectors[2]) > 89.99
    assert angle(found.vectors[1], plain.vectors[1]) < 60


def test_labels_of_seeds_give_the_same_direction_as_a_reader_of_their_images():
    generator, reader, gradients = attributed()
    linked = opened(generator)
    values = reader(linked.render(linked.draw(range(1000))))
    labels = LabelledSamples(reader.names, tuple(range(1000)), values)
    found = find_directions(linked, "interfacegan", reader=labels)
    assert angle(found.vectors[0], gradients[0]) < 5


def test_rare_labels_of_0_and_1_are_told_apart():
    generator, _, gradients = attributed()
    latents = opened(generator).draw(range(2000))[:, 0]
    rare = (latents @ gradients[0] / 0.15 > 1.3).float()
    assert 0.05 < float(rare.mean()) < 0.15
    labels = LabelledSamples(("smile",), tuple(range(2000)), rare[:, None])
    found = find_directions(opened(generator), "interfacegan", reader=labels)
    assert angle(found.vectors[0], gradients[0]) < 5


def test_the_machine_minimises_its_objective():
    random = np.random.default_rng(0)
    low, high = random.normal(size=[30, 3]), random.normal(size=[50, 3]) + np.array([1.0, 0.5, 0])
    rows, signs = np.concatenate([low, high]), np.repeat([-1.0, 1.0], [30, 50])
    weights = np.repeat([80 / 60, 80 / 100], [30, 50]) * 0.3

    def objective(plane):
        return plane[:3] @ plane[:3] / 2 + weights @ np.maximum(0, 1 - signs * (rows @ plane[:3] + plane[3])) ** 2

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 10_000}
    wanted = scipy.optimize.minimize(objective, np.zeros(4), method="Nelder-Mead", options=options).x[:3]
    np.testing.assert_allclose(normal(low, high, 0.3), wanted / np.linalg.norm(wanted), atol=1e-4)


def test_both_ends_have_their_share_of_the_samples():
    low, high = sides(np.arange(100.0)[:, None], np.arange(100.0), 0.2)
    assert low.ravel().tolist() == list(range(20))
    assert high.ravel().tolist() == list(range(80, 100))


def test_what_has_no_direction_is_refused():
    generator, reader, _ = attributed()
    labels = LabelledSamples(("smile",), (1, 2, 3), torch.ones(3, 1))
    with pytest.raises(LinkGANError, match="'smile' is 1 for all 3 samples; expected different values"):
        find_directions(opened(generator), "interfacegan", reader=labels)
    with pytest.raises(LinkGANError, match="no attribute 'hat'; known: age, smile"):
        find_directions(opened(generator), "interfacegan", reader=reader, without="hat")
    with pytest.raises(LinkGANError, match=r"share is 0.7; expected more than 0 and at most 0.5"):
        find_directions(opened(generator), "interfacegan", reader=reader, share=0.7)
    with pytest.raises(LinkGANError, match="interfacegan needs a reader of attributes"):
        find_directions(opened(generator), "interfacegan")
    twice = LabelledSamples(("a", "b"), tuple(range(50)), torch.arange(50.0)[:, None].expand(-1, 2))
    with pytest.raises(LinkGANError, match="'a' cannot change without b: their normals span its own"):
        find_directions(opened(generator), "interfacegan", reader=twice, without="b")
