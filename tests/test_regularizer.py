"""The regularizer against float64 brute force, analytic values and numeric gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from linkgan_plugin.links import LinkSpec
from linkgan_plugin.perturb import gaussian, replace_axes, swap
from linkgan_plugin.regions.base import Scene
from linkgan_plugin.regularizer import (
    SquaredChange,
    assign_perturbations,
    block_perturbations,
    complement_perturbations,
    penalty,
    squared_change,
)
from tests.allocations import AllocatedBytes
from tests.toys import ToyGenerator, linked_weight

SIZE, DIM = 8, 12
SPEC = LinkSpec.parse(["left=0:3@box(0,0,0.5,1)", "corner=3:5@box(0.5,0,1,0.5)"], dim=DIM)
HALVES = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=8)


def render_perturbed(generator, spec, perturbations, *, per_sample=0, samples=6, seed=0):
    """Render pairs with every axis swapped for a donor's, as the loss does."""
    random = torch.Generator().manual_seed(seed)
    z, donor = torch.randn(2, samples, spec.dim, generator=random, dtype=torch.float64)
    which = assign_perturbations(len(perturbations), samples, per_sample, random, "cpu")
    ws, target = generator.mapping(z, None), generator.mapping(donor, None)
    perturbed = torch.stack([replace_axes(ws, target, perturbations.axes[row]) for row in which])
    reference = generator.synthesis(ws)
    images = torch.stack([generator.synthesis(group) for group in perturbed])
    effect = perturbations.effect_masks(spec.region_masks(Scene(reference)), which)
    return reference, images, effect, which


def brute_force_eq_5(generator, spec, z, donor, lambda_in, lambda_out):
    """Eq. 3-6 written with loops over samples, links and pixels, in float64."""
    total = 0.0
    image = generator.synthesis(generator.mapping(z, None)).detach()
    masks = spec.region_masks(Scene(image))[:, 0, 0].double()
    for number, link in enumerate(spec.links):
        linked, others = z.clone(), donor.clone()
        linked[:, list(link.axes)] = donor[:, list(link.axes)]
        others[:, list(link.axes)] = z[:, list(link.axes)]
        x1, x2 = (generator.synthesis(generator.mapping(w, None)).detach() for w in (linked, others))
        for n in range(len(z)):
            for y in range(SIZE):
                for x in range(SIZE):
                    inside = float(masks[number, y, x])
                    total += lambda_in * inside * float(x2[n, 0, y, x] - image[n, 0, y, x]) ** 2 / len(z)
                    total += lambda_out * (1 - inside) * float(x1[n, 0, y, x] - image[n, 0, y, x]) ** 2 / len(z)
    return total / (SIZE * SIZE)


def random_generator(dim=DIM, seed=0):
    weight = torch.randn(SIZE * SIZE, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return ToyGenerator(weight, SIZE).double()


def test_squared_form_is_eq_3_to_6_by_brute_force():
    generator = random_generator()
    perturbations = complement_perturbations(SPEC, lambda_in=0.75, lambda_out=1.875)
    reference, images, effect, which = render_perturbed(generator, SPEC, perturbations)
    loss = penalty(squared_change(reference, images, effect), which, perturbations, "squared").loss
    random = torch.Generator().manual_seed(0)
    z, donor = torch.randn(2, 6, DIM, generator=random, dtype=torch.float64)
    expected = brute_force_eq_5(generator, SPEC, z, donor, 0.75, 1.875)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("form", ["squared", "share", "log"])
@pytest.mark.parametrize("make", [block_perturbations, complement_perturbations])
def test_a_generator_linked_by_construction_costs_exactly_nothing(form, make):
    generator = ToyGenerator(linked_weight([range(4), range(4, 8)], SIZE, 8), SIZE).double()
    perturbations = make(HALVES)
    reference, images, effect, which = render_perturbed(generator, HALVES, perturbations)
    change = squared_change(reference, images, effect)
    assert change.effect.min() > 1e-3, "nothing perturbed, so nothing was tested"
    assert penalty(change, which, perturbations, form).loss.item() == 0.0


def test_an_entangled_generator_costs_the_analytic_share():
    """Every pixel is the sum of all axes: moving any block changes all pixels alike, so share = leak area."""
    generator = ToyGenerator(torch.ones(SIZE * SIZE, 8), SIZE).double()
    spec = LinkSpec.parse(["strip=0:4@box(0,0,0.25,1)"], dim=8)
    perturbations = block_perturbations(spec)
    reference, images, effect, which = render_perturbed(generator, spec, perturbations)
    result = penalty(squared_change(reference, images, effect), which, perturbations, "share")
    assert result.share.tolist() == pytest.approx([0.75, 0.25], abs=1e-5)
    assert result.loss.item() == pytest.approx(0.5, abs=1e-5)


def test_an_entangled_generator_costs_the_analytic_square():
    """image = sum of axes and donors differ by delta: each leak pixel adds (sum of the block's delta)^2."""
    generator = ToyGenerator(torch.ones(SIZE * SIZE, 8), SIZE).double()
    perturbations = block_perturbations(HALVES, lambda_in=2, lambda_out=3)
    reference, images, effect, which = render_perturbed(generator, HALVES, perturbations)
    loss = penalty(squared_change(reference, images, effect), which, perturbations, "squared").loss
    z, donor = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    delta = (donor - z).double()
    linked = (delta[:, :4].sum(1) ** 2).mean()
    rest = (delta[:, 4:].sum(1) ** 2).mean()
    assert loss.item() == pytest.approx((3 * 0.5 * linked + 2 * 0.5 * rest).item(), rel=1e-12)


@pytest.mark.parametrize("form", ["squared", "share", "log"])
def test_gradients_agree_with_finite_differences(form):
    perturbations = block_perturbations(SPEC)
    which = torch.tensor([0, 1, 2, 0])
    effect = perturbations.effect_masks(SPEC.region_masks(Scene(torch.zeros(1, 1, 4, 4))), which[None])[0]
    random = torch.Generator().manual_seed(3)
    pair = [torch.randn(4, 2, 4, 4, generator=random, dtype=torch.float64).requires_grad_() for _ in range(2)]

    def value(reference, perturbed):
        return penalty(
            squared_change(reference, perturbed, effect), which, perturbations, form, 0.1 if form == "share" else 0.0
        ).loss

    assert torch.autograd.gradcheck(value, pair)


def test_share_ignores_the_size_of_the_change_and_squared_does_not():
    perturbations = block_perturbations(HALVES)
    which = torch.tensor([0, 1])
    small = SquaredChange(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 2.0]), 1)
    large = SquaredChange(small.leak * 100, small.effect * 100, 1)
    assert penalty(small, which, perturbations, "share").loss.item() == pytest.approx(0.375, rel=1e-5)
    assert penalty(large, which, perturbations, "share").loss.item() == pytest.approx(0.375, rel=1e-5)
    assert penalty(large, which, perturbations, "log").loss.item() == pytest.approx(
        (math.log(4 / 3) + math.log(2)) / 2, rel=1e-5
    )
    assert (
        penalty(large, which, perturbations, "squared").loss
        == 100 * penalty(small, which, perturbations, "squared").loss
    )


def test_the_rest_may_change_regions_up_to_its_floor_and_links_may_not():
    perturbations = block_perturbations(HALVES)
    which = torch.tensor([0, 1])
    change = SquaredChange(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 8.0]), 1)
    assert penalty(change, which, perturbations, "share", rest_floor=0.25).loss.item() == 0
    swapped = SquaredChange(torch.tensor([2.0, 0.0]), torch.tensor([8.0, 1.0]), 1)
    assert penalty(swapped, which, perturbations, "share", rest_floor=0.25).loss.item() == pytest.approx(0.1, rel=1e-5)


def test_moves_nobody_was_paired_with_do_not_count():
    perturbations = block_perturbations(SPEC)
    which = torch.tensor([1, 1])
    result = penalty(
        SquaredChange(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 1.0]), 1), which, perturbations, "share"
    )
    assert result.present.tolist() == [False, True, False]
    assert result.loss.item() == pytest.approx(0.5, rel=1e-5)


def test_half_precision_images_are_compared_in_single_precision():
    reference = torch.zeros(1, 3, 64, 64, dtype=torch.float16)
    perturbed = torch.full_like(reference, 30.0)  # the sum of squares, 11 million, is far beyond fp16's 65504
    with torch.autocast("cpu", dtype=torch.bfloat16):
        change = squared_change(reference, perturbed, torch.ones(1, 1, 64, 64))
    assert change.effect.dtype == torch.float32
    assert change.effect.item() == 30.0**2 * 3 * 64 * 64


def test_a_fan_renders_the_same_number_of_images_for_any_number_of_links():
    for links in (1, 2, 8):
        which = assign_perturbations(links + 1, 16, 2, torch.Generator().manual_seed(0), "cpu")
        assert which.shape == (2, 16)
        assert (which[0] != which[1]).all()
        counts = torch.bincount(which.flatten(), minlength=links + 1)
        assert counts.max() - counts.min() <= 1


def test_every_move_is_equally_likely_for_every_sample():
    random = torch.Generator().manual_seed(0)
    counts = torch.zeros(3, 4)
    for _ in range(3000):
        which = assign_perturbations(3, 4, 1, random, "cpu")
        counts[which[0], torch.arange(4)] += 1
    assert (counts / 3000 - 1 / 3).abs().max() < 0.04


@pytest.mark.parametrize("per_sample", [0, 3, 7])
def test_a_full_fan_gives_every_sample_every_move(per_sample):
    which = assign_perturbations(3, 2, per_sample, None, "cpu")
    assert which.T.sort(dim=1).values.tolist() == [[0, 1, 2]] * 2


@given(seed=st.integers(0, 10_000), block=st.lists(st.booleans(), min_size=DIM, max_size=DIM))
@settings(max_examples=30, deadline=None)
def test_moving_a_block_leaves_all_other_axes_bitwise(seed, block):
    random = torch.Generator().manual_seed(seed)
    ws, donor = torch.randn(2, 3, 4, DIM, generator=random)
    axes = torch.tensor(block)
    for perturb in (swap, gaussian):
        perturbed = replace_axes(ws, perturb(ws, donor, 1.0, random), axes)
        assert torch.equal(perturbed[..., ~axes], ws[..., ~axes])
    assert torch.equal(replace_axes(ws, swap(ws, donor, 1.0, None), axes)[..., axes], donor[..., axes])


def test_gaussian_moves_all_rows_alike_with_standard_deviation_alpha():
    ws = torch.zeros(4000, 3, 5)
    perturbed = gaussian(ws, ws, 0.5, torch.Generator().manual_seed(0))
    assert torch.equal(perturbed[:, 0], perturbed[:, 2])
    assert perturbed.std().item() == pytest.approx(0.5, rel=0.02)


def test_swap_goes_the_given_share_of_the_way():
    ws, donor = torch.zeros(2, 1, 3), torch.ones(2, 1, 3)
    assert torch.equal(swap(ws, donor, 1.0, None), donor)
    assert torch.allclose(swap(ws, donor, 0.25, None), torch.full_like(ws, 0.25))


def test_images_without_the_region_carry_no_loss():
    generator = random_generator()
    perturbations = block_perturbations(SPEC, lambda_in=3.0)
    reference, images, effect, which = render_perturbed(generator, SPEC, perturbations)
    change = squared_change(reference, images, effect)
    absent = torch.zeros_like(which, dtype=torch.bool)
    absent[:, 2:] = which[:, 2:] == 0
    result = penalty(change, which, perturbations, "share", absent=absent)
    kept = SquaredChange(change.leak[:, :2], change.effect[:, :2], change.values)
    seen = penalty(kept, which[:, :2], perturbations, "share")
    everywhere = penalty(change, which, perturbations, "share")
    assert result.share[0] == pytest.approx(seen.share[0].item(), rel=1e-12)
    assert torch.equal(result.share[1:], everywhere.share[1:])
    assert result.absent.tolist() == pytest.approx([4 / 6, 0, 0])
    nowhere = penalty(change, which, perturbations, "share", absent=which == 0)
    assert nowhere.present.tolist() == [False, True, True]
    assert nowhere.absent[0] == 1
    expected = (perturbations.weights[1:] * everywhere.share[1:]).mean()
    assert nowhere.loss.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("samples", [1, 3])
def test_masks_are_those_of_the_region_inverted_for_the_other_axes(samples):
    perturbations = complement_perturbations(SPEC)
    regions = torch.rand(3, samples, 1, SIZE, SIZE)
    which = torch.tensor([[0, 1, 2], [3, 2, 1]])
    found = perturbations.effect_masks(regions, which)
    for row, column in ((row, column) for row in range(2) for column in range(3)):
        number = int(which[row, column])
        mask = regions[perturbations.region[number], column % samples]
        assert torch.equal(found[row, column], 1 - mask if number >= 2 else mask)


@pytest.mark.parametrize("make", [block_perturbations, complement_perturbations])
def test_the_memory_of_masks_does_not_grow_with_the_number_of_links(make):
    size, which = 64, torch.tensor([[0, 1], [1, 0]])
    taken = []
    for count in (1, 16):
        links = [f"part{i}=2@box({i / count},0,{(i + 1) / count},0.5)" for i in range(count)]
        perturbations = make(LinkSpec.parse(links, dim=64))
        regions = perturbations.region.new_zeros([], dtype=torch.float32).expand(count + 1, 1, 1, size, size)
        with AllocatedBytes() as allocated:
            perturbations.effect_masks(regions, which)
        taken.append(allocated.large)
    assert taken == [2 * which.numel() * size * size * 4] * 2


def test_a_move_is_absent_where_its_region_is_less_than_half_a_pixel():
    perturbations = complement_perturbations(SPEC)
    regions = torch.zeros(3, 2, 1, SIZE, SIZE)
    regions[0, 0, 0, 0, 0] = 0.5
    regions[1, 1] = 1
    assert perturbations.absent(regions).tolist() == [[False, True], [True, False]] * 2
