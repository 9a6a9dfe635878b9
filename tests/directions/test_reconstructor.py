"""Directions that a reconstructor tells apart: planted effects are found, and accuracy is far above chance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from linkgan_plugin.directions import task as tasks
from linkgan_plugin.directions.fields import Warp
from linkgan_plugin.directions.reconstructor import Reconstructor, reduced
from linkgan_plugin.directions.task import Found, Task
from linkgan_plugin.directions.voynov import voynov
from linkgan_plugin.directions.warped import warped
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from tests.toys import ToyGenerator

from .planted import DIM, SIZE, angle, opened, strips, turned

PLANTED = 4


@pytest.fixture(autouse=True)
def few_latents(monkeypatch):
    monkeypatch.setattr(tasks, "SPREAD", 1000)


class Scrambled(nn.Module):
    """The first axes of w @ mix each own one strip of the image; the other axes scramble all of it with waves."""

    def __init__(self, mix: Tensor) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(9)
        self.img_resolution, self.mix = SIZE, mix
        self.waves = 0.5 * torch.randn([DIM - PLANTED, SIZE * SIZE], generator=random)
        self.strips = torch.zeros(PLANTED, SIZE, SIZE)
        for number, strip in enumerate(torch.arange(SIZE).chunk(PLANTED)):
            self.strips[number][:, strip] = torch.randn([SIZE, len(strip)], generator=random)

    def forward(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        axes = ws[:, 0] @ self.mix
        image = torch.einsum("nk,khw->nhw", axes[:, :PLANTED], self.strips)
        return (image + torch.sin(axes[:, PLANTED:] @ self.waves).view(image.shape)).unsqueeze(1)


def scrambled(mix: Tensor, space: str = "w") -> LinkedGenerator:
    generator = ToyGenerator(torch.zeros(SIZE * SIZE, DIM), SIZE)
    generator.synthesis = Scrambled(mix)
    return opened(generator, space)


def four_strips() -> LinkedGenerator:
    return opened(strips(turned(), tuple(range(axis, axis + 1) for axis in range(PLANTED))))


def test_each_planted_direction_is_found_once():
    mix = turned()
    found = voynov(Task(scrambled(mix), PLANTED), steps=1200, rate=4e-2)
    angles = torch.tensor([[angle(row, wanted) for wanted in mix.T[:PLANTED]] for row in found.vectors])
    # A random direction of 12 axes is 73 degrees away from each of them, on average.
    assert sorted(angles.argmin(dim=1).tolist()) == list(range(PLANTED))
    assert angles.amin(dim=1).max() < 8
    assert found.facts["reconstructor accuracy"] > 0.95
    assert found.facts["by chance"] == 1 / PLANTED
    torch.testing.assert_close(found.vectors @ found.vectors.T, torch.eye(PLANTED), atol=1e-5, rtol=0)


def test_paths_are_told_apart_far_above_chance():
    found = warped(Task(four_strips(), PLANTED), steps=200, rate=2e-2, dipoles=4)
    assert found.facts["reconstructor accuracy"] > 0.75  # by chance 0.25
    assert isinstance(found.bend, Warp)
    assert found.scaled
    # In units of one standard deviation, which is 1 here; the mean velocity of a path is at most its speed.
    assert found.bend.lengths.tolist() == pytest.approx([1.0] * PLANTED, rel=0.15)
    assert bool((found.vectors.norm(dim=1) <= found.bend.lengths).all())
    latents = torch.randn([256, DIM], generator=torch.Generator().manual_seed(1))
    mean = found.bend.tangent(2, latents).mean(dim=0)
    assert angle(mean, found.vectors[2]) < 20


@pytest.mark.parametrize("method", [voynov, warped])
def test_the_same_seed_gives_the_same_and_nothing_else_changes(method):
    generator = four_strips()
    for parameter in generator.generator.parameters():
        parameter.requires_grad_()

    def found(seed: int) -> Found:
        return method(Task(generator, 3, seed=seed), steps=3)

    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = found(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found(1).vectors, first.vectors)
    assert not torch.equal(found(2).vectors, first.vectors)
    assert not any(parameter.grad is not None for parameter in generator.generator.parameters())


def test_rows_of_length_1_may_be_more_than_axes():
    task = Task(scrambled(turned(), "z"), DIM + 1)
    with pytest.raises(LinkGANError, match="13 orthonormal directions in 12 axes; ask for at most 12, or give --set"):
        voynov(task)
    rows = voynov(task, steps=2, orthonormal=False).vectors
    assert rows.shape == (DIM + 1, DIM)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(DIM + 1))


@pytest.mark.parametrize("side", [(8, 8), (3, 5), (64, 64), (200, 120)])
def test_images_of_any_size_are_reduced_and_read(side):
    images = torch.randn([2, 3, *side], generator=torch.Generator().manual_seed(0))
    small = reduced(images)
    assert list(small.shape[2:]) == [min(64, side[0]), min(64, side[1])]
    assert small.mean().item() == pytest.approx(images.mean().item(), abs=0.01)
    logits, e = Reconstructor(3, max(small.shape[2:]), 5)(small, small)
    assert logits.shape == (2, 5)
    assert e.shape == (2,)


def test_progress_covers_every_step():
    seen = []

    def progress(steps, text):
        seen.append((list(steps), text))
        return steps

    voynov(Task(four_strips(), 2, progress=progress), steps=3)
    assert seen == [([0, 1, 2], "training")]


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"reach": 0.5}, {"weight": -1.0}, {"rate": float("nan")}])
def test_impossible_settings_are_refused_with_their_values(wrong):
    with pytest.raises(LinkGANError, match=r"; expected at least 1, above 0\.5, at least 0, and above 0"):
        voynov(Task(four_strips(), 2), **wrong)
    with pytest.raises(LinkGANError, match="dipoles=0; expected at least 1"):
        warped(Task(four_strips(), 2), dipoles=0)


def test_training_that_diverges_says_so():
    generator = four_strips()
    generator.generator.synthesis.weight.data.fill_(float("inf"))
    with pytest.raises(LinkGANError, match="the loss of step 0 is not finite"):
        voynov(Task(generator, 2), steps=2)
