"""Directions of a region: against a singular value decomposition in float64, and for what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from linkgan_plugin.editing import directions as module
from linkgan_plugin.editing.directions import block_directions, directions_of
from linkgan_plugin.editing.editor import DirectionEdit, Editor, Resample
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from tests.toys import ToyGenerator

SIZE, DIM = 8, 10
LINKS = ["left=0:4@box(0,0,0.5,1)", "right=4:6@box(0.5,0,0.9,1)"]


@pytest.fixture(scope="module")
def linear() -> LinkedGenerator:
    """A generator whose image is linear in w, and w in z, both by random matrices."""
    torch.manual_seed(0)
    network = ToyGenerator(torch.randn(SIZE * SIZE, DIM), SIZE, identity=False).requires_grad_(False)
    return LinkedGenerator(network, LinkSpec.parse(LINKS, dim=DIM))


def exact(generator: LinkedGenerator, region: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions [K, D] and their effects by SVDs of the spread of the block and of what it does to the region."""
    block = generator.block(region).numpy()
    draws = generator.draw(range(module.FIRST_SEED, module.FIRST_SEED + module.SPREAD))[:, 0].numpy().astype(np.float64)
    own = draws[:, block] - draws[:, block].mean(axis=0)
    _, spread, axes = np.linalg.svd(own / np.sqrt(len(own) - 1), full_matrices=False)
    basis = (spread[:, None] * axes)[:count]
    index = generator.spec.block_names.index(region)
    image = generator.rendering(torch.zeros(1, 2, DIM))
    mask = generator.spec.region_masks(generator.scene(image, torch.zeros(1, 0)))[index].flatten().numpy()
    weight = generator.generator.synthesis.weight.numpy().astype(np.float64)[:, block]
    change = np.sqrt(mask / SIZE**2)[:, None] * weight @ basis.T
    _, strengths, mixing = np.linalg.svd(change, full_matrices=False)
    moves = np.zeros([len(basis), DIM])
    moves[:, block] = mixing @ basis
    largest = np.take_along_axis(moves, np.abs(moves).argmax(axis=1)[:, None], axis=1)
    return moves * np.sign(largest), strengths**2


@pytest.mark.parametrize(("region", "components"), [("left", 16), ("right", 16), ("rest", 16), ("left", 2)])
def test_directions_are_those_of_the_decompositions(linear, region, components):
    found = block_directions(linear, region, components=components, samples=3, batch=2)
    moves, effects = exact(linear, region, components)
    assert len(found) == len(moves) == min(components, int(linear.block(region).sum()))
    assert np.allclose(found.vectors[:, 0], moves, atol=1e-4)
    assert np.allclose(found.effect, effects, rtol=1e-3)
    assert torch.equal(found.effect, found.effect.sort(descending=True).values)
    assert (found.vectors[:, 0, ~linear.block(region)] == 0).all()
    assert (found.method, found.settings) == ("block", {"components": components, "samples": 3})
    assert found.region == ("" if region == "rest" else str(linear.spec[region].region))


def test_together_they_explain_how_much_samples_differ(linear):
    found = block_directions(linear, "left", samples=1)
    latents = linear.draw(range(module.FIRST_SEED, module.FIRST_SEED + module.SPREAD))
    donors = latents.roll(1, dims=0)
    change = (linear.mix(latents, donors, "left").images - linear.render(latents))[..., : SIZE // 2]
    assert 2 * found.effect.sum() == pytest.approx(float(change.square().mean()) / 2, rel=0.1)  # half of the image


def test_an_amount_of_one_changes_the_region_by_what_is_stated(linear):
    editor = Editor.of_seed(linear, 3)
    for direction, stated in enumerate(editor.directions("left").effect.tolist()):
        change = editor.preview(DirectionEdit("left", direction, 1.0)) - editor.image()
        assert float(change[..., : SIZE // 2].square().sum() / change.numel()) == pytest.approx(stated, rel=1e-3)
        back = editor.preview(DirectionEdit("left", direction, -1.0)) - editor.image()
        assert torch.allclose(back, -change, atol=1e-5)


def test_changes_of_two_directions_do_not_mix(linear):
    editor = Editor.of_seed(linear, 3)
    before = editor.image()
    changes = torch.stack(
        [(editor.preview(DirectionEdit("left", k, 1.0)) - before)[..., : SIZE // 2].flatten() for k in range(4)]
    )
    products = changes @ changes.T
    assert (products - products.diag().diag()).abs().max() < 1e-4 * products.max()


def test_on_a_linked_network_nothing_outside_the_region_changes():
    editor = Editor.of_seed(example_generator(), 0)
    editor.do(DirectionEdit("left", 0, 2.0))
    assert editor.difference()[:, :6].mean() > 0.05
    assert editor.difference()[:, 6:].max() == 0


def test_sliding_leaks_no_more_than_resampling_where_links_leak():
    generator = example_generator()
    waves = generator.generator.synthesis.waves
    waves += 0.05 * torch.randn(waves.shape, generator=torch.Generator().manual_seed(5))

    def leak(steps):
        inside = outside = 0.0
        for seed in range(6):
            editor = Editor.of_seed(generator, seed)
            for step in steps:
                change = (editor.preview(step) - editor.image()).square()
                inside += float(change[..., :6].sum())
                outside += float(change[..., 6:].sum())
        return outside / inside

    slides = [DirectionEdit("left", direction, amount) for direction in range(4) for amount in (-1.0, 1.0)]
    assert 0 < leak(slides) < 1.5 * leak([Resample("left", seed) for seed in range(50, 58)])


def test_they_are_the_same_every_time_and_found_once(linear):
    first, second = (block_directions(linear, "left") for _ in range(2))
    assert torch.equal(first.vectors, second.vectors)
    assert directions_of(linear, "left") is directions_of(linear, "left")
    assert torch.equal(directions_of(linear, "left").vectors, first.vectors)


def test_progress_is_told_of_every_sample(linear):
    seen = []

    def progress(seeds):
        for seed in seeds:
            seen.append(seed)
            yield seed

    block_directions(linear, "left", samples=3, progress=progress)
    assert len(seen) == 3


def test_axes_that_never_move_have_no_directions():
    generator = example_generator()
    plain = generator.generator.mapping.forward
    generator.generator.mapping.forward = lambda z, c, truncation_psi=1: plain(0 * z, c)
    with pytest.raises(LinkGANError, match="same in every sample"):
        block_directions(generator, "left")
