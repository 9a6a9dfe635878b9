"""Donors chosen to fit the rest: by hand, on a generator whose regions and rest go together, and in saved edits."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from linkgan_plugin.basis import Basis
from linkgan_plugin.calls.rendering import Rendering
from linkgan_plugin.consistent import (
    Consistent,
    consistent_from,
    critic_of,
    rest_distances,
    spread_of,
)
from linkgan_plugin.editing.candidates import in_parts, resamples
from linkgan_plugin.editing.editor import Editor
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.editing.steps import Resample, without_choice
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from tests.toys import ToyGenerator

BLOCK = torch.tensor([True, True, False, False])


def correlated() -> LinkedGenerator:
    """Axis 0 is the region, axis 1 the rest; in every sample both are the same number."""
    network = ToyGenerator(torch.eye(4)[:, :2].repeat(4, 1), 4)
    network.mapping.weight = nn.Parameter(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    return LinkedGenerator(network.requires_grad_(False), LinkSpec.parse(["a=0:1@box(0,0,0.5,1)"], dim=2))


def test_the_distance_is_that_of_the_unedited_axes_in_standard_deviations():
    latents = torch.tensor([[[0.0, 0.0, 1.0, 2.0]], [[9.0, 9.0, 0.0, 0.0]]])  # [2, 1, 4]
    candidates = torch.tensor(
        [
            [[[0.0, 0.0, 3.0, 2.0]], [[9.0, 9.0, 0.0, 8.0]]],
            [[[7.0, 7.0, 1.0, 5.0]], [[0.0, 0.0, 2.0, 0.0]]],
            [[[5.0, 5.0, 1.5, 2.0]], [[0.0, 0.0, 4.0, 4.0]]],
        ]
    )  # [3, 2, 1, 4]
    spread = torch.tensor([1.0, 1.0, 2.0, 4.0])
    expected = torch.tensor([[1.0, 4.0], [9 / 16, 1.0], [1 / 16, 5.0]])
    assert torch.equal(rest_distances(latents, candidates, BLOCK, spread), expected)
    assert expected.argmin(dim=0).tolist() == [2, 1]
    constant = torch.tensor([1.0, 1.0, 0.0, 4.0])
    assert torch.equal(rest_distances(latents, candidates, BLOCK, constant)[:, 0], torch.tensor([0.0, 9 / 16, 0.0]))


def test_layers_count_the_same():
    latents = torch.zeros(1, 2, 4)
    candidates = torch.zeros(1, 1, 2, 4)
    candidates[0, 0, 1, 3] = 2
    assert rest_distances(latents, candidates, BLOCK, torch.ones(4)).tolist() == [[2.0]]


def test_where_region_and_rest_go_together_the_choice_brings_a_region_that_fits():
    g = correlated()
    editor = Editor.of_seed(g, 0)
    own = float(editor.latents[0, 0, 1])
    drawn = g.draw(range(100, 164))[:, 0, 1]
    step = Consistent(64).step(editor, Resample("a", seed=100))
    assert step.seed == 100 + int((drawn - own).abs().argmin())
    editor.do(step)
    assert abs(float(editor.latents[0, 0, 0]) - own) == pytest.approx(float((drawn - own).abs().min()), abs=1e-6)
    assert abs(float(drawn[0]) - own) > 0.1  # the first one would not have fitted


def test_rows_choose_for_themselves_and_a_batch_changes_nothing():
    g = correlated()
    latents, labels = g.draw(range(5)), g.labels(range(5))
    candidates = torch.stack([g.draw(range(10 * s, 10 * s + 5)) for s in range(1, 9)])
    choice, block = Consistent(8), g.block("a")
    index = choice.choose(g, latents, candidates, block, labels)
    expected = (candidates[:, :, 0, 1] - latents[:, 0, 1]).abs().argmin(dim=0)
    assert torch.equal(index, expected)
    assert len(set(index.tolist())) > 1
    for row in range(5):
        one = slice(row, row + 1)
        assert choice.choose(g, latents[one], candidates[:, one], block, labels[one]).tolist() == [int(index[row])]
    donors = choice.donors(g, latents, candidates, block, labels)
    assert all(torch.equal(donors[row], candidates[int(index[row]), row]) for row in range(5))


def test_saved_edits_keep_the_chosen_seed_and_repeat_to_the_bit():
    editor = Editor.of_seed(example_generator(), 0)
    editor.do(Consistent(16).step(editor, Resample("left", seed=200, strength=0.7)))
    (step,) = editor.steps
    assert isinstance(step, Resample)
    assert step.seed in range(201, 216)
    saved = json.loads(json.dumps(editor.to_json()))
    assert saved["steps"] == [
        {"kind": "resample", "regions": ["left"], "seed": step.seed, "strength": 0.7, "psi": None}
    ]
    again = Editor.from_json(example_generator(), saved)
    assert torch.equal(again.latents, editor.latents)
    assert torch.equal(again.image(), editor.image())


def test_locked_regions_are_part_of_the_rest():
    g = example_generator()
    editor = Editor.of_seed(g, 0)
    every = Resample("all", seed=100)
    with pytest.raises(LinkGANError, match="every axis is edited"):
        Consistent(8).step(editor, every)
    editor.lock("right")
    own, block = editor.latents, g.block("right")
    drawn = g.draw(range(100, 108))
    distances = ((drawn - own)[:, 0, block] / spread_of(g)[block]).square().sum(dim=1)
    assert Consistent(8).step(editor, every).seed == 100 + int(distances.argmin())


class Brightness(nn.Module):
    """A discriminator whose logit is the mean of the image, minus that of its batch's first."""

    def forward(self, images: Tensor, c: Tensor) -> Tensor:
        return (images - images[:1]).mean(dim=(1, 2, 3), keepdim=True)[:, :, 0, 0] + images[:1].mean()


def test_the_critic_chooses_the_edited_image_of_the_highest_logit():
    editor = Editor.of_seed(example_generator(), 0)
    images = [editor.preview(Resample("left", seed=seed)).mean() for seed in range(50, 58)]
    choice = Consistent(8, critic_of(Brightness()))
    assert choice.by == "critic"
    best = 50 + int(torch.stack(images).argmax())
    assert choice.step(editor, Resample("left", seed=50)).seed == best
    assert choice.step(editor, Resample("left", seed=50, strength=0.25)).seed == best


def test_the_critic_sees_every_image_alone_and_the_raw_image_of_3d_networks():
    images = torch.linspace(-1, 1, 3 * 4).reshape(3, 1, 2, 2)
    labels = torch.zeros(3, 0)
    alone = critic_of(Brightness())(Rendering(images), labels)
    assert torch.allclose(alone, images.mean(dim=(1, 2, 3)))
    seen: list[Any] = []

    class Dual(nn.Module):
        def forward(self, shown: dict[str, Tensor], c: Tensor) -> Tensor:
            seen.append({name: part.shape for name, part in shown.items()})
            return shown["image_raw"].mean().reshape(1, 1)

    critic_of(Dual())(Rendering(images, raw=images[:, :, :1, :1]), labels)
    assert seen == 3 * [{"image": (1, 1, 2, 2), "image_raw": (1, 1, 1, 1)}]


def test_a_broken_critic_is_refused():
    editor = Editor.of_seed(example_generator(), 0)
    broken = Consistent(2, lambda rendering, labels: torch.full([len(rendering.image)], float("nan")))
    with pytest.raises(LinkGANError, match="discriminator returns numbers that are not finite"):
        broken.step(editor, Resample("left", seed=50))


@pytest.mark.parametrize("count", [0, 1, -3, 1025, "many", 2.5, True, None])
def test_a_bad_number_of_candidates_is_refused(count: Any):
    with pytest.raises(LinkGANError, match=f"consistent is {count!r}, expected the number of donors.* 2 to 1024"):
        Consistent(count)


def test_options_name_the_choice_and_a_file_without_a_discriminator_is_refused():
    def missing() -> nn.Module:
        raise LinkGANError("g.pkl holds no discriminator")

    assert consistent_from(None, "critic", missing) is None
    assert consistent_from(4, "rest", missing) == Consistent(4)
    with pytest.raises(LinkGANError, match=r"by the critic: g\.pkl holds no discriminator; choose them by the rest"):
        consistent_from(4, "critic", missing)
    with pytest.raises(LinkGANError, match="'best'; expected one of: rest, critic"):
        consistent_from(4, "best", missing)


def test_only_resamples_have_the_field_of_the_page():
    data = {"kind": "resample", "regions": ["left"], "seed": 1}
    assert without_choice(data) == (data, None)
    assert without_choice({**data, "consistent": 8}) == (data, Consistent(8))
    with pytest.raises(LinkGANError, match="only resample steps choose a donor"):
        without_choice({"kind": "restore", "region": "left", "version": 0, "consistent": 8})


def test_candidates_choose_for_each_image_and_parts_keep_the_choice():
    g, choice = correlated(), Consistent(8)
    (candidate,) = resamples([40], choice=choice)
    assert candidate.name == "best of 40-47"
    editors = [Editor.of_seed(g, seed) for seed in range(4)]
    steps = [candidate.of(editor, ("a",)) for editor in editors]
    assert steps == [choice.step(editor, Resample("a", seed=40)) for editor in editors]
    assert len({step.to_json()["seed"] for step in steps}) > 1
    parts = in_parts([candidate], [0.5, 1])
    assert [part.of(editors[1], ("a",)).to_json() for part in parts] == [
        {**steps[1].to_json(), "strength": share} for share in (0.5, 1.0)
    ]


def test_in_a_basis_the_rest_are_the_other_coordinates():
    generator = correlated()
    turned = Basis.of(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))  # coordinate 0 is axis 1
    spec = replace(generator.spec, basis=turned)
    swapped = LinkedGenerator(generator.generator, spec)
    latents = torch.tensor([[[5.0, 0.0]]])
    candidates = torch.tensor([[[[9.0, 0.0]]], [[[5.0, 3.0]]]])  # the first is near in axis 1, the second in axis 0
    block, labels = torch.tensor([True, False]), torch.zeros(1, 0)
    assert Consistent(2).choose(generator, latents, candidates, block, labels).tolist() == [0]
    assert Consistent(2).choose(swapped, latents, candidates, block, labels).tolist() == [1]
