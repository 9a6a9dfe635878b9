"""LinkedGenerator: edits move their own axes only, and cost one synthesis forward each."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator, seeded_z
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.network_links import spec_of
from tests.toys import ToyGenerator, linked_weight

SIZE, DIM = 8, 12
SPEC = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)", "right=4:8@box(0.5,0,1,1)"], dim=DIM)


@pytest.fixture
def linked():
    return LinkedGenerator(ToyGenerator(linked_weight([range(4), range(4, 8)], SIZE, DIM), SIZE, noise=1.0), SPEC)


def test_seeds_give_the_latents_of_the_hosts_image_scripts():
    assert np.array_equal(
        seeded_z([3, 85], 5).numpy(),
        np.stack([np.random.RandomState(seed).randn(5) for seed in (3, 85)]).astype(np.float32),
    )


def test_resampling_a_linked_region_changes_it_and_nothing_else(linked):
    sample = linked.sample([0, 1, 2])
    edited = linked.resample(sample.latents, "left", seed=9)
    change = (edited.images - sample.images).abs()
    assert change[..., : SIZE // 2].mean() > 0.1
    assert change[..., SIZE // 2 :].max() == 0


def test_resampling_gives_every_row_the_block_of_the_seed(linked):
    sample = linked.sample([0, 1])
    donor = linked.draw([9])
    edited = linked.resample(sample.latents, ["left", "rest"], seed=9)
    assert torch.equal(edited.latents[:, :, :4], donor[:, :, :4].expand(2, -1, -1))
    assert torch.equal(edited.latents[:, :, 8:], donor[:, :, 8:].expand(2, -1, -1))
    assert torch.equal(edited.latents[:, :, 4:8], sample.latents[:, :, 4:8])


def test_mixing_every_region_gives_the_donor(linked):
    a, b = linked.sample([0]), linked.sample([1])
    assert torch.equal(linked.mix(a.latents, b.latents, ["left", "right", "rest"]).images, b.images)


def test_interpolation_ends_at_the_sample_and_at_the_mix(linked):
    a, b = linked.draw([0]), linked.draw([1])
    assert torch.equal(linked.interpolate(a, b, "left", 0.0).latents, a)
    assert torch.equal(linked.interpolate(a, b, "left", 1.0).latents, linked.mix(a, b, "left").latents)
    half = linked.interpolate(a, b, "left", 0.5).latents
    assert torch.allclose(half[..., :4], (a + b)[..., :4] / 2)


def test_truncation_pulls_samples_and_donors_to_the_average(linked):
    linked.generator.mapping.w_avg.fill_(1.0)
    half = LinkedGenerator(linked.generator, SPEC, truncation_psi=0.5)
    assert torch.allclose(half.draw([4]), 1 + (linked.draw([4]) - 1) * 0.5, atol=1e-6)


@pytest.mark.parametrize("edit", ["sample", "resample", "mix", "interpolate"])
def test_an_edit_costs_one_synthesis_forward(linked, edit):
    latents, donor = linked.draw([0, 1]), linked.draw([2, 3])
    calls = []
    linked.generator.synthesis.register_forward_hook(lambda *_: calls.append(1))
    {
        "sample": lambda: linked.sample([0, 1]),
        "resample": lambda: linked.resample(latents, ["left", "right"], 5),
        "mix": lambda: linked.mix(latents, donor, ["left", "right"]),
        "interpolate": lambda: linked.interpolate(latents, donor, "left", 0.3),
    }[edit]()
    assert len(calls) == 1


def test_z_links_edit_z(linked):
    spec = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=DIM, space="z")
    generator = LinkedGenerator(linked.generator, spec)
    sample = generator.sample([0])
    assert sample.latents.shape == (1, 1, DIM)
    edited = generator.resample(sample.latents, "left", 3)
    assert (edited.images - sample.images)[..., SIZE // 2 :].abs().max() == 0


def test_an_unknown_region_is_named_with_the_nearest(linked):
    with pytest.raises(LinkGANError, match=r"'lefft'.*did you mean 'left'"):
        linked.resample(linked.draw([0]), "lefft", 1)


def test_no_region_at_all_is_refused(linked):
    with pytest.raises(LinkGANError, match="left, right, rest"):
        linked.mix(linked.draw([0]), linked.draw([1]), [])


def test_a_network_without_a_spec_says_how_to_give_one(linked):
    with pytest.raises(LinkGANError, match="--link"):
        LinkedGenerator(linked.generator)


def test_the_networks_own_spec_is_used(linked):
    linked.generator.link_spec = SPEC.to_json()
    assert LinkedGenerator(linked.generator).spec == SPEC == spec_of(linked.generator)


def test_a_spec_of_another_width_is_refused(linked):
    with pytest.raises(LinkGANError, match="w_dim = 12"):
        LinkedGenerator(linked.generator, LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=16))
