"""Enjoy Your Editing: directions that change one attribute and keep the other, straight and bent."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.directions.enjoy import cross_entropy, pyramid_distance
from linkgan_plugin.directions.find import find_directions

from .blobs import attributed
from .planted import angle, opened


def test_enjoy_changes_each_attribute_and_keeps_the_other():
    generator, reader, gradients = attributed()
    # A reach of 0.2 hardly meets the ends of [0, 1], where targets are cut.
    found = find_directions(
        opened(generator), "enjoy", reader=reader, reach=0.2, rate=0.4, steps=150, batch=32, content=0.0
    )
    changes = found.vectors[:, 0] @ gradients.T
    assert changes.diag().min() > 0.08
    assert abs(float(changes[0, 1] / changes[1, 1])) < 0.05
    assert abs(float(changes[1, 0] / changes[0, 0])) < 0.05
    for vector, dual in zip(found.vectors, torch.linalg.pinv(gradients).T, strict=True):
        assert angle(vector, dual) < 5


def test_enjoy_can_learn_networks_that_bend():
    generator, reader, gradients = attributed()
    linked = opened(generator)
    found = find_directions(linked, "enjoy", reader=reader, reach=0.2, rate=0.4, steps=100, batch=16, bent=True)
    assert found.bend is not None
    latents = linked.draw(range(64))
    change = (found.moved(latents, 0, 1.0) - latents)[:, 0]
    # Amount 1 is one standard deviation, 1 for latents N(0, 1).
    assert float(change.norm(dim=1).mean()) == pytest.approx(1, abs=0.1)
    assert float((change @ gradients[0]).min()) > 0.05
    assert abs(float((change @ gradients[1]).mean())) < 0.1 * float((change @ gradients[0]).mean())


def test_enjoy_follows_the_discriminator_where_there_is_one():
    generator, reader, gradients = attributed()
    asked = []

    def discriminator(images, labels):
        asked.append(labels.shape)
        return images.flatten(1).sum(dim=1, keepdim=True)

    settings = {"reader": reader, "attributes": ["smile"], "steps": 30, "content": 0.0, "reach": 0.2}
    plain = find_directions(opened(generator), "enjoy", **settings)
    found = find_directions(opened(generator), "enjoy", discriminator=discriminator, realism=30.0, **settings)
    assert set(asked) == {(8, 0)}
    assert angle(plain.vectors[0], gradients[0]) < 5
    assert angle(found.vectors[0], gradients[0]) > 5


def test_cross_entropy_has_a_gradient_where_readers_leave_0_to_1():
    values = torch.tensor([[-0.2, 1.3, 0.5]], requires_grad=True)
    goals = torch.tensor([[0.5, 0.5, 0.5]])
    (gradient,) = torch.autograd.grad(cross_entropy(values, goals).sum(), values)
    assert gradient[0, 0] < -10
    assert gradient[0, 1] > 10
    assert gradient[0, 2] == 0


def test_the_distance_of_images_is_0_for_equal_ones_and_grows_with_the_change():
    images = torch.randn([2, 3, 16, 16], generator=torch.Generator().manual_seed(0))
    assert pyramid_distance(images, images).tolist() == [0, 0]
    # The coarsest level of a constant change c has 4 x 4 pixels of c: 4^2 * 3 * 16 c / (3 * 256) = c.
    assert pyramid_distance(images, images + 0.5).tolist() == pytest.approx([0.5, 0.5], abs=1e-5)
