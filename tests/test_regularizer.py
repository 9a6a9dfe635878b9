"""The regularizer against float64 brute force, analytic values and numeric gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from linkgan_plugin.links import LinkSpec
from linkgan_plugin.perturb import gaussian, move, swap
from linkgan_plugin.regions.base import Scene
from linkgan_plugin.regularizer import Changes, block_moves, changes, choose, complement_moves, penalty
from tests.toys import ToyGenerator, linked_weight

SIZE, DIM = 8, 12
SPEC = LinkSpec.parse(["left=0:3@box(0,0,0.5,1)", "corner=3:5@box(0.5,0,1,0.5)"], dim=DIM)
HALVES = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=8)


def render_moved(generator, spec, moves, *, fan=0, samples=6, seed=0):
    """Render pairs with every axis swapped for a donor's, as the loss does."""
    random = torch.Generator().manual_seed(seed)
    z, donor = torch.randn(2, samples, spec.dim, generator=random, dtype=torch.float64)
    which = choose(len(moves), samples, fan, random, "cpu")
    ws, target = generator.mapping(z, None), generator.mapping(donor, None)
    moved = torch.stack([move(ws, target, moves.axes[row]) for row in which])
    reference = generator.synthesis(ws)
    images = torch.stack([generator.synthesis(group) for group in moved])
    allowed = moves.allowed(spec.region_masks(Scene(reference)))[which, 0]
    return reference, images, allowed, which


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
    moves = complement_moves(SPEC, lambda_in=0.75, lambda_out=1.875)
    reference, images, allowed, which = render_moved(generator, SPEC, moves)
    loss = penalty(changes(reference, images, allowed), which, moves, "squared").loss
    random = torch.Generator().manual_seed(0)
    z, donor = torch.randn(2, 6, DIM, generator=random, dtype=torch.float64)
    expected = brute_force_eq_5(generator, SPEC, z, donor, 0.75, 1.875)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("form", ["squared", "share", "log"])
@pytest.mark.parametrize("make", [block_moves, complement_moves])
def test_a_generator_linked_by_construction_costs_exactly_nothing(form, make):
    generator = ToyGenerator(linked_weight([range(4), range(4, 8)], SIZE, 8), SIZE).double()
    moves = make(HALVES)
    reference, images, allowed, which = render_moved(generator, HALVES, moves)
    change = changes(reference, images, allowed)
    assert change.allowed.min() > 1e-3, "nothing moved, so nothing was tested"
    assert penalty(change, which, moves, form).loss.item() == 0.0


def test_an_entangled_generator_costs_the_analytic_share():
    """Every pixel is the sum of all axes: moving any block changes all pixels alike, so share = forbidden area."""
    generator = ToyGenerator(torch.ones(SIZE * SIZE, 8), SIZE).double()
    spec = LinkSpec.parse(["strip=0:4@box(0,0,0.25,1)"], dim=8)
    moves = block_moves(spec)
    reference, images, allowed, which = render_moved(generator, spec, moves)
    result = penalty(changes(reference, images, allowed), which, moves, "share")
    assert result.share.tolist() == pytest.approx([0.75, 0.25], abs=1e-5)
    assert result.loss.item() == pytest.approx(0.5, abs=1e-5)


def test_an_entangled_generator_costs_the_analytic_square():
    """image = sum of axes and donors differ by delta: each forbidden pixel adds (sum of the block's delta)^2."""
    generator = ToyGenerator(torch.ones(SIZE * SIZE, 8), SIZE).double()
    moves = block_moves(HALVES, lambda_in=2, lambda_out=3)
    reference, images, allowed, which = render_moved(generator, HALVES, moves)
    loss = penalty(changes(reference, images, allowed), which, moves, "squared").loss
    z, donor = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    delta = (donor - z).double()
    linked = (delta[:, :4].sum(1) ** 2).mean()
    rest = (delta[:, 4:].sum(1) ** 2).mean()
    assert loss.item() == pytest.approx((3 * 0.5 * linked + 2 * 0.5 * rest).item(), rel=1e-12)


@pytest.mark.parametrize("form", ["squared", "share", "log"])
def test_gradients_agree_with_finite_differences(form):
    moves = block_moves(SPEC)
    which = torch.tensor([0, 1, 2, 0])
    allowed = moves.allowed(SPEC.region_masks(Scene(torch.zeros(1, 1, 4, 4))))[which, 0]
    random = torch.Generator().manual_seed(3)
    pair = [torch.randn(4, 2, 4, 4, generator=random, dtype=torch.float64).requires_grad_() for _ in range(2)]

    def value(reference, moved):
        return penalty(changes(reference, moved, allowed), which, moves, form, 0.1 if form == "share" else 0.0).loss

    assert torch.autograd.gradcheck(value, pair)


def test_share_ignores_the_size_of_the_change_and_squared_does_not():
    moves = block_moves(HALVES)
    which = torch.tensor([0, 1])
    small = Changes(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 2.0]), 1)
    large = Changes(small.forbidden * 100, small.allowed * 100, 1)
    assert penalty(small, which, moves, "share").loss.item() == pytest.approx(0.375, rel=1e-5)
    assert penalty(large, which, moves, "share").loss.item() == pytest.approx(0.375, rel=1e-5)
    assert penalty(large, which, moves, "log").loss.item() == pytest.approx(
        (math.log(4 / 3) + math.log(2)) / 2, rel=1e-5
    )
    assert penalty(large, which, moves, "squared").loss == 100 * penalty(small, which, moves, "squared").loss


def test_the_rest_may_change_regions_up_to_its_floor_and_links_may_not():
    moves = block_moves(HALVES)
    which = torch.tensor([0, 1])
    change = Changes(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 8.0]), 1)
    assert penalty(change, which, moves, "share", rest_floor=0.25).loss.item() == 0
    swapped = Changes(torch.tensor([2.0, 0.0]), torch.tensor([8.0, 1.0]), 1)
    assert penalty(swapped, which, moves, "share", rest_floor=0.25).loss.item() == pytest.approx(0.1, rel=1e-5)


def test_moves_nobody_was_paired_with_do_not_count():
    moves = block_moves(SPEC)
    which = torch.tensor([1, 1])
    result = penalty(Changes(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 1.0]), 1), which, moves, "share")
    assert result.present.tolist() == [False, True, False]
    assert result.loss.item() == pytest.approx(0.5, rel=1e-5)


def test_half_precision_images_are_compared_in_single_precision():
    reference = torch.zeros(1, 3, 64, 64, dtype=torch.float16)
    moved = torch.full_like(reference, 30.0)  # the sum of squares, 11 million, is far beyond fp16's 65504
    with torch.autocast("cpu", dtype=torch.bfloat16):
        change = changes(reference, moved, torch.ones(1, 1, 64, 64))
    assert change.allowed.dtype == torch.float32
    assert change.allowed.item() == 30.0**2 * 3 * 64 * 64


def test_a_fan_renders_the_same_number_of_images_for_any_number_of_links():
    for links in (1, 2, 8):
        which = choose(links + 1, 16, 2, torch.Generator().manual_seed(0), "cpu")
        assert which.shape == (2, 16)
        assert (which[0] != which[1]).all()
        counts = torch.bincount(which.flatten(), minlength=links + 1)
        assert counts.max() - counts.min() <= 1


def test_every_move_is_equally_likely_for_every_sample():
    random = torch.Generator().manual_seed(0)
    counts = torch.zeros(3, 4)
    for _ in range(3000):
        which = choose(3, 4, 1, random, "cpu")
        counts[which[0], torch.arange(4)] += 1
    assert (counts / 3000 - 1 / 3).abs().max() < 0.04


@pytest.mark.parametrize("fan", [0, 3, 7])
def test_a_full_fan_gives_every_sample_every_move(fan):
    which = choose(3, 2, fan, None, "cpu")
    assert which.T.sort(dim=1).values.tolist() == [[0, 1, 2]] * 2


@given(seed=st.integers(0, 10_000), block=st.lists(st.booleans(), min_size=DIM, max_size=DIM))
@settings(max_examples=30, deadline=None)
def test_moving_a_block_leaves_all_other_axes_bitwise(seed, block):
    random = torch.Generator().manual_seed(seed)
    ws, donor = torch.randn(2, 3, 4, DIM, generator=random)
    axes = torch.tensor(block)
    for perturb in (swap, gaussian):
        moved = move(ws, perturb(ws, donor, 1.0, random), axes)
        assert torch.equal(moved[..., ~axes], ws[..., ~axes])
    assert torch.equal(move(ws, swap(ws, donor, 1.0, None), axes)[..., axes], donor[..., axes])


def test_gaussian_moves_all_rows_alike_with_standard_deviation_alpha():
    ws = torch.zeros(4000, 3, 5)
    moved = gaussian(ws, ws, 0.5, torch.Generator().manual_seed(0))
    assert torch.equal(moved[:, 0], moved[:, 2])
    assert moved.std().item() == pytest.approx(0.5, rel=0.02)


def test_swap_goes_the_given_share_of_the_way():
    ws, donor = torch.zeros(2, 1, 3), torch.ones(2, 1, 3)
    assert torch.equal(swap(ws, donor, 1.0, None), donor)
    assert torch.allclose(swap(ws, donor, 0.25, None), torch.full_like(ws, 0.25))


def test_images_without_the_region_carry_no_loss():
    generator = random_generator()
    moves = block_moves(SPEC, lambda_in=3.0)
    reference, images, allowed, which = render_moved(generator, SPEC, moves)
    change = changes(reference, images, allowed)
    absent = torch.zeros_like(which, dtype=torch.bool)
    absent[:, 2:] = which[:, 2:] == 0
    result = penalty(change, which, moves, "share", absent=absent)
    kept = Changes(change.forbidden[:, :2], change.allowed[:, :2], change.values)
    seen = penalty(kept, which[:, :2], moves, "share")
    everywhere = penalty(change, which, moves, "share")
    assert result.share[0] == pytest.approx(seen.share[0].item(), rel=1e-12)
    assert torch.equal(result.share[1:], everywhere.share[1:])
    assert result.absent.tolist() == pytest.approx([4 / 6, 0, 0])
    nowhere = penalty(change, which, moves, "share", absent=which == 0)
    assert nowhere.present.tolist() == [False, True, True]
    assert nowhere.absent[0] == 1
    expected = (moves.weights[1:] * everywhere.share[1:]).mean()
    assert nowhere.loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_move_is_absent_where_its_region_is_less_than_half_a_pixel():
    moves = complement_moves(SPEC)
    regions = torch.zeros(3, 2, 1, SIZE, SIZE)
    regions[0, 0, 0, 0, 0] = 0.5
    regions[1, 1] = 1
    assert moves.absent(regions).tolist() == [[False, True], [True, False]] * 2
