"""Directions that are learned: GANalyze, steerability, Enjoy Your Editing, and the walk and optimiser they share."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.directions.enjoy import cross_entropy, pyramid_distance
from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.directions.learned import Coordinates, VectorAdam, Walk
from linkgan_plugin.directions.task import Task
from linkgan_plugin.errors import LinkGANError

from .blobs import BlobGenerator, attributed, position
from .planted import angle, opened, turned

QUICK = {"steps": 60, "batch": 8}


def test_ganalyze_finds_the_gradients_of_the_attributes():
    generator, reader, gradients = attributed()
    found = find_directions(opened(generator), "ganalyze", reader=reader, **QUICK)
    assert found.names == ("smile", "age")
    for vector, gradient in zip(found.vectors, gradients, strict=True):
        assert angle(vector, gradient) < 5
        assert float(vector[0] @ gradient) > 0
    assert all(parameter.grad is None for parameter in generator.parameters())


@pytest.mark.parametrize("space", ["w", "z"])
def test_ganalyze_moves_along_the_covariance_of_latents_and_attribute(space):
    generator, reader, gradients = attributed()
    generator.mapping.weight.data = torch.diag(torch.linspace(0.5, 2, 12))
    found = find_directions(opened(generator, space), "ganalyze", reader=reader, **QUICK)
    stretched = gradients @ generator.mapping.weight.detach()  # the gradient by z
    wanted = stretched if space == "z" else stretched @ generator.mapping.weight.detach()
    assert angle(found.vectors[0], wanted[0]) < 5


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


def test_steerability_finds_the_axes_that_move_the_blob():
    mix = turned()
    edits = "shift_x,shift_y,brightness"
    found = find_directions(opened(BlobGenerator()), "steerability", edits=edits, reach=0.5, **QUICK)
    assert found.names == ("shift_x", "shift_y", "brightness")
    for number in range(3):
        assert angle(found.vectors[number], mix[:, number]) < 5
        assert float(found.vectors[number, 0] @ mix[:, number]) > 0


def test_bent_directions_move_the_blob_too():
    linked = opened(BlobGenerator())
    found = find_directions(linked, "steerability", edits="shift_x", bent=True, **QUICK)
    latents = linked.draw(range(64))
    x, y = ((found.moved(latents, 0, 1.0) - latents)[:, 0] @ turned()[:, :2]).T
    assert float(x.mean()) == pytest.approx(1, abs=0.1)
    assert float(y.abs().mean()) < 0.1
    assert position(torch.tensor(1.0)) == pytest.approx(0.06)


def test_the_same_seed_gives_the_same_directions_and_the_global_random_state_stays():
    linked = opened(BlobGenerator())
    before = torch.get_rng_state()
    found = [
        find_directions(linked, "steerability", edits="zoom", steps=3, bent=True, seed=seed).vectors
        for seed in (0, 0, 1)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_step_renders_no_more_than_a_batch_at_a_time(monkeypatch):
    generator, reader, _ = attributed()
    sizes = []
    forward = generator.synthesis.forward
    monkeypatch.setattr(generator.synthesis, "forward", lambda ws, **k: sizes.append(len(ws)) or forward(ws, **k))
    whole = find_directions(opened(generator), "ganalyze", reader=reader, steps=2, batch=8, attributes=["age"])
    monkeypatch.setattr(Task, "batch", 3)
    sizes.clear()
    parts = find_directions(opened(generator), "ganalyze", reader=reader, steps=2, batch=8, attributes=["age"])
    assert max(sizes) == 3
    assert whole.vectors.shape == parts.vectors.shape


def test_the_optimiser_keeps_to_the_span_of_the_gradients():
    vector = torch.zeros(1, 4, requires_grad=True)
    gradient = torch.tensor([[0.1, 1.0, 0.0, 10.0]])
    optimizer = VectorAdam([vector], 0.5)
    optimizer.step([gradient])
    torch.testing.assert_close(vector.detach(), -0.5 * gradient / gradient.norm())
    optimizer.step([gradient], 0.0)
    torch.testing.assert_close(vector.detach(), -0.5 * gradient / gradient.norm())


def test_a_field_moves_latents_as_the_walk_that_it_was_learned_by():
    linked = opened(BlobGenerator())
    linked.generator.mapping.weight.data = torch.diag(torch.linspace(0.5, 2, 12))
    task = Task(linked)
    random = torch.Generator().manual_seed(0)
    walk = Walk(Coordinates(task), 2, torch.randn([2, 5, 12], generator=random))
    for part in walk.parameters:
        part.data = torch.randn(part.shape, generator=random)
    found = walk.found(task, ["a", "b"])
    latents = linked.draw(range(6))
    amount = 1e-3
    walked = (walk.moved(latents, amount * torch.eye(2)[[1] * 6]) - latents)[:, 0].detach() / amount
    tangent = found.bend.tangent(1, latents[:, 0])
    ratio = tangent.norm(dim=1) / walked.norm(dim=1)
    torch.testing.assert_close(ratio, ratio[:1].expand(6), rtol=1e-2, atol=0)
    torch.testing.assert_close(tangent, walked * ratio[:, None], rtol=1e-2, atol=1e-2)


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


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("batch", -1), ("rate", 0.0), ("reach", float("nan"))])
def test_settings_are_positive(name, value):
    generator, reader, _ = attributed()
    with pytest.raises(LinkGANError, match=f"{name} is {value:g}; expected a number above 0"):
        find_directions(opened(generator), "ganalyze", reader=reader, **{name: value})


def test_gradients_that_are_not_finite_are_refused():
    generator = attributed()[0]
    generator.synthesis.weight.data[0, 0] = float("nan")
    with pytest.raises(LinkGANError, match="not finite"):
        find_directions(opened(generator), "steerability", edits="zoom", steps=1)
