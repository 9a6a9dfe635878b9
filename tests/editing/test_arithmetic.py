"""The lecture's operations on latents: sums, arcs, and layers of another image."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from linkgan_plugin.editing.arithmetic import Arithmetic
from linkgan_plugin.editing.editor import Editor
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.editing.paths import spherical
from linkgan_plugin.editing.steps import Resample, Transplant, step_from_json
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec


@pytest.fixture
def generator() -> LinkedGenerator:
    return example_generator()


@pytest.mark.parametrize("text", ["3-5+8", " 3 - 5 + 8 ", "-5+3+8"])
def test_a_sum_of_seeds_is_that_of_their_latents(generator, text):
    found = Arithmetic.parse(text).latents(generator)
    expected = generator.draw([3]) - generator.draw([5]) + generator.draw([8])
    assert torch.allclose(found, expected, atol=1e-6)


def test_brackets_are_means(generator):
    arithmetic = Arithmetic.parse("(0,2)-(1,4,6)+8")
    expected = generator.draw([0, 2]).mean(0) - generator.draw([1, 4, 6]).mean(0) + generator.draw([8])[0]
    assert torch.allclose(arithmetic.latents(generator)[0], expected, atol=1e-6)
    assert str(arithmetic) == "(0,2)-(1,4,6)+8"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3+5", "2 more terms are added than taken away, expected 1"),
        ("", "0 more terms"),
        ("3-5+", "expected seeds with . and - between"),
        ("3 5", "expected seeds"),
        ("3-(5+8", "expected seeds"),
        ("eyes", "expected seeds"),
        ("4294967296", "expected a whole number from 0 to 4294967295"),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(LinkGANError, match=message):
        Arithmetic.parse(text)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_an_arc_keeps_lengths_and_turns_evenly(share):
    angle = 1.2
    p, q = torch.tensor([[[2.0, 0.0, 7.0]]]), torch.tensor([[[2 * math.cos(angle), 2 * math.sin(angle), -7.0]]])
    block = torch.tensor([True, True, False])
    moved = spherical(p, q, block, share)[0, 0]
    assert moved[2] == 7
    expected = torch.tensor([2 * math.cos(share * angle), 2 * math.sin(share * angle)])
    assert torch.allclose(moved[:2], expected, atol=1e-6)


def test_an_arc_between_equal_or_scaled_vectors_is_their_line():
    p = torch.tensor([[[1.0, 2.0, 2.0]]])
    everything = torch.ones(3, dtype=torch.bool)
    assert torch.allclose(spherical(p, p, everything, 0.3), p)
    assert torch.allclose(spherical(p, 3 * p, everything, 0.5), 2 * p, atol=1e-6)


class Whole(nn.Module):
    """A generator of z alone: pixel rows are its coordinates."""

    z_dim, img_resolution, img_channels = 4, 4, 3

    def forward(self, z):
        return z[:, None, None, :].expand(-1, 3, 4, 4)


def test_a_block_of_z_moves_along_the_arc_and_the_others_stay():
    generator = LinkedGenerator(Whole(), LinkSpec.parse(["left=0:2@box(0,0,0.5,1)"], dim=4, space="z"))
    editor = Editor.of_seed(generator, 0)
    here, there = (generator.draw([seed])[0, 0] for seed in (0, 3))
    editor.do(Resample("left", 3, 0.5, path="spherical"))
    moved = editor.latents[0, 0]
    assert torch.equal(moved[2:], here[2:])
    assert moved[:2].norm() == pytest.approx(float(here[:2].norm() + there[:2].norm()) / 2, rel=1e-5)
    cosines = [torch.cosine_similarity(moved[:2], end[:2], dim=0) for end in (here, there)]
    assert cosines[0] == pytest.approx(float(cosines[1]), abs=1e-5)
    with pytest.raises(LinkGANError, match="this network's latents have no layers"):
        editor.do(Resample("left", 3, layers=[1]))


def test_layers_of_another_image_are_mixed_in(generator):
    editor = Editor.of_seed(generator, 0)
    count = editor.start.shape[1]
    editor.do(Transplant("all", 3, layers=range(1, count)))
    assert torch.equal(editor.latents[:, :1], editor.start[:, :1])
    assert torch.equal(editor.latents[:, 1:], generator.draw([3])[:, 1:])
    with pytest.raises(LinkGANError, match=rf"layer {count}: this network's latents have layers 0 to {count - 1}"):
        editor.do(Transplant("all", 3, layers=[count]))


def test_a_spherical_path_is_for_z(generator):
    with pytest.raises(LinkGANError, match="only samples of Z lie near a sphere"):
        Editor.of_seed(generator, 0).do(Resample("left", 3, 0.5, path="spherical"))
    with pytest.raises(LinkGANError, match="a path is 'bent', expected one of: linear, spherical"):
        Resample("left", 3, path="bent")


def test_steps_are_stored_with_what_earlier_versions_do_not_know_only_where_it_is_used():
    plain = Resample("left", 3)
    assert set(plain.to_json()) == {"kind", "regions", "seed", "strength", "psi"}
    step = Transplant("left", 3, 0.5, "spherical", [2, 1])
    assert step.to_json()["layers"] == [1, 2]
    assert step_from_json(step.to_json()) == step
    with pytest.raises(LinkGANError, match="layers are whole numbers from 0, not 'all'"):
        step_from_json({**step.to_json(), "layers": "all"})
