"""`find_directions`: the unit of one standard deviation, scores by region, ranking, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin import registry
from linkgan_plugin.directions.directions import Directions
from linkgan_plugin.directions.fields import STEP, Perceptrons, Warp, field_from, follow
from linkgan_plugin.directions.find import find_directions, moved_image
from linkgan_plugin.directions.task import Found, Method
from linkgan_plugin.errors import LinkGANError

from .blobs import attributed
from .planted import DIM, SIZE, StyledGenerator, opened, strips, turned


@pytest.fixture
def axes(monkeypatch):
    """A method that returns the axes in order, ten times too long."""
    method = Method(lambda task: Found(10 * torch.eye(task.dim)[: task.count]), "none")
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: method if name == "axes" else load(kind, name))


def test_amount_1_is_one_standard_deviation_of_what_is_drawn(axes):
    generator = strips(torch.eye(DIM))
    generator.mapping.weight.data[0, 0] = 3  # w_0 has deviation 3, the others 1
    found = find_directions(opened(generator), "axes", count=2)
    assert found.vectors[:, 0, :2].diag().tolist() == pytest.approx([3, 1], rel=0.03)
    assert found.vectors.shape == (2, 1, DIM)


def test_effect_and_leak_are_those_of_the_linear_generator(axes):
    generator = strips(torch.eye(DIM))
    found = find_directions(opened(generator), "axes", region="box(0,0,0.5,1)", count=DIM)
    image = (generator.synthesis.weight.detach() @ found.vectors[:, 0].T).T.view(-1, SIZE, SIZE)
    assert found.effect.tolist() == pytest.approx((image[:, :, :4].square().sum(dim=(1, 2)) / 64).tolist(), abs=1e-6)
    assert found.leak.tolist() == pytest.approx((image[:, :, 4:].square().sum(dim=(1, 2)) / 64).tolist(), abs=1e-6)


def test_the_most_local_candidates_are_kept(axes):
    found = find_directions(opened(strips(torch.eye(DIM))), "axes", region="box(0.5,0,1,1)", count=3)
    # Axes 4 to 6 own the right half.
    assert sorted(found.vectors[:, 0].argmax(dim=1).tolist()) == [4, 5, 6]
    assert found.leak.max() < 1e-9
    assert found.region == "box(0.5,0,1,1)"


def test_a_method_refuses_unknown_settings_and_a_missing_region():
    generator = opened(StyledGenerator())
    with pytest.raises(LinkGANError, match="sefa has no setting 'layer'; "):
        find_directions(generator, "sefa", layer="0")
    with pytest.raises(LinkGANError, match="sefa layers is 3; expected str such as 'all'"):
        find_directions(generator, "sefa", layers=3)
    with pytest.raises(LinkGANError, match="no plugin 'sefaa' among the directions"):
        find_directions(generator, "sefaa")


def test_a_direction_in_s_shifts_one_channel_and_leaves_the_network_as_it_was():
    generator = opened(StyledGenerator())
    vectors = torch.zeros(1, 1, 15)
    vectors[0, 0, 7] = 1.0  # channel 2 of layer 1
    directions = Directions(vectors, "s")
    latents = generator.draw([0, 1])
    labels = generator.labels([0, 1])
    before = generator.render(latents, labels)
    change = moved_image(generator, directions, 0, 2.0, latents, labels) - before
    assert torch.allclose(change[:, 0], 2 * generator.generator.synthesis.layers[1].map[2].expand(2, -1, -1), atol=1e-5)
    assert torch.equal(generator.render(latents, labels), before)


def test_a_constant_field_moves_in_a_straight_line_and_back():
    field = Perceptrons(torch.zeros(1, 2, 3), torch.zeros(1, 2), torch.zeros(1, 3, 2), torch.tensor([[1.0, 0.0, 2.0]]))
    latents = torch.zeros(2, 3)
    there = follow(field, 0, latents, 3.1)
    assert torch.allclose(there, torch.tensor([3.1, 0.0, 6.2]).expand(2, 3), atol=1e-5)
    assert torch.allclose(follow(field, 0, there, -3.1), latents, atol=1e-5)


def test_a_warp_follows_the_gradient_of_its_basis_functions():
    random = torch.Generator().manual_seed(1)
    warp = Warp(
        torch.randn([2, 3, 4], generator=random),
        torch.randn([2, 3], generator=random),
        torch.rand(2, 3),
        torch.full([2], 0.5),
    )
    latents = torch.randn([5, 4], generator=random).requires_grad_()
    value = (warp.weights[1] * torch.exp(-warp.widths[1] * (latents[:, None] - warp.supports[1]).square().sum(2))).sum()
    (wanted,) = torch.autograd.grad(value, latents)
    assert torch.allclose(warp.gradient(1, latents), wanted, atol=1e-6)
    step = follow(warp, 1, latents.detach(), STEP) - latents.detach()
    assert torch.allclose(step.norm(dim=1), torch.full([5], 0.5 * STEP), atol=1e-5)


def test_fields_are_the_same_after_their_tensors():
    warp = Warp(torch.randn(2, 3, 4), torch.randn(2, 3), torch.rand(2, 3), torch.ones(2))
    again = field_from("warp", warp.tensors())
    latents = torch.randn(5, 4)
    assert torch.equal(again.tangent(0, latents), warp.tangent(0, latents))
    with pytest.raises(LinkGANError, match="lack the tensors widths, lengths"):
        field_from("warp", {"supports": warp.supports, "weights": warp.weights})
    with pytest.raises(LinkGANError, match="unknown kind of directions 'code'"):
        field_from("code", {})


def test_directions_refuse_what_does_not_fit():
    with pytest.raises(LinkGANError, match=r"directions of shape \[3\], expected \[K, L, D\]"):
        Directions(torch.zeros(3))
    with pytest.raises(LinkGANError, match="not finite"):
        Directions(torch.full([1, 1, 2], float("nan")))
    directions = Directions(torch.ones(2, 3, 4))
    with pytest.raises(LinkGANError, match=r"directions of \[3, 4\] for latents \[2, 4\]"):
        directions.moved(torch.zeros(1, 2, 4), 0, 1.0)
    with pytest.raises(LinkGANError, match="there is no direction 2; there are 2, 0 to 1"):
        directions.moved(torch.zeros(1, 3, 4), 2, 1.0)


def test_layers_that_a_direction_does_not_touch_stay():
    vectors = torch.zeros(1, 3, DIM)
    vectors[0, 1] = turned()[0]
    latents = torch.randn(2, 3, DIM)
    moved = Directions(vectors).moved(latents, 0, 2.0)
    assert torch.equal(moved[:, [0, 2]], latents[:, [0, 2]])
    assert torch.allclose(moved[:, 1] - latents[:, 1], 2 * turned()[0].expand(2, DIM), atol=1e-5)


def test_all_attributes_named_are_found_whatever_the_count():
    generator, reader, _ = attributed()
    found = find_directions(opened(generator), "interfacegan", reader=reader, attributes=["age", "smile"], count=1)
    assert found.names == ("age", "smile")
    ranked = find_directions(opened(generator), "interfacegan", reader=reader, region="box(0,0,0.5,1)", count=1)
    assert len(ranked) == 1
    assert ranked.names[0] in reader.names
