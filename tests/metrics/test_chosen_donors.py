"""Donors chosen to fit the rest: which seeds they are, and what they cost in diversity, by hand."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.consistent import Consistent
from linkgan_plugin.metrics import chosen_donors
from linkgan_plugin.metrics.chosen_donors import diversity_of, donors_of
from linkgan_plugin.metrics.edited_quality import edits_of, rendered
from linkgan_plugin.metrics.evaluate import DONOR_OFFSET, evaluate
from linkgan_plugin.perturb import replace_axes
from tests.editing.test_consistent import correlated

COUNT, PAIRS = 6, 50


def drawn(s: int, images: int = PAIRS) -> torch.Tensor:
    """Candidate s of images 0, 1, ...: the number that both of its axes are, [N]."""
    return correlated().draw([seed + (s + 1) * DONOR_OFFSET for seed in range(images)])[:, 0, 0]


def nearest(own: torch.Tensor) -> torch.Tensor:
    candidates = torch.stack([drawn(s, len(own)) for s in range(COUNT)])
    return candidates.gather(0, (candidates - own).abs().argmin(dim=0)[None])[0]


def test_without_a_choice_the_donor_is_the_first_sample():
    g = correlated()
    latents, labels = g.draw(range(5)), g.labels(range(5))
    found = donors_of(g, range(5), latents, labels, edits_of(g), None)
    assert all(torch.equal(donors[:, 0, 0], drawn(0, 5)) for donors in found.values())


def test_a_choice_takes_the_nearest_rest_in_parts_of_any_size(monkeypatch):
    g = correlated()
    latents, labels = g.draw(range(5)), g.labels(range(5))
    blocks = {**edits_of(g), "all": torch.ones(2, dtype=torch.bool)}
    for at_once in (1, 2 * COUNT, 4096):
        monkeypatch.setattr(chosen_donors, "_AT_ONCE", at_once)
        found = donors_of(g, range(5), latents, labels, blocks, Consistent(COUNT))
        assert torch.equal(found["a"][:, 0, 0], nearest(latents[:, 0, 1]))
        assert torch.equal(found["all"][:, 0, 0], drawn(0, 5))  # nothing is left to fit


def test_edited_images_have_the_chosen_donors():
    g = correlated()
    images = dict(rendered(g, range(5), edits_of(g), Consistent(COUNT)))
    latents = g.draw(range(5))
    donors = nearest(latents[:, 0, 1])[:, None, None].expand_as(latents)
    assert torch.equal(images["a"], g.render(replace_axes(latents, donors, g.block("a"))).clamp(-1, 1))


@pytest.mark.parametrize("batch", [7, 64])
def test_the_diversity_that_is_left_is_that_of_the_chosen_donors_over_all_change(batch):
    g = correlated()
    own = g.draw(range(PAIRS))[:, 0, 0].double()
    # Both axes change four pixels of the region each, and are the same number in a sample.
    full = 2 * (drawn(0).double() - own).square().sum()
    plain = evaluate(g, pairs=PAIRS, metrics=["diversity_kept"])["a"].estimates["diversity_kept"].value
    assert plain == pytest.approx(0.5, rel=1e-5)
    kept = diversity_of(g, Consistent(COUNT), pairs=PAIRS, batch=batch)["a"]
    assert kept.value == pytest.approx(float((nearest(own.float()).double() - own).square().sum() / full), rel=1e-4)
    assert kept.value < 0.2
    assert kept.n == PAIRS
